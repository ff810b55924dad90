"""Whether all dense gradients of a step are finite, found without keeping or synchronising any of them."""

import torch
from torch import Tensor, nn


class GradientWatch:
    """Adds up the norms of gradients as they arrive; DeepSpeed frees the gradients themselves early."""

    def __init__(self, model: nn.Module) -> None:
        self._sum = torch.zeros(())
        for parameter in model.parameters():
            parameter.register_hook(self._see)

    def take(self) -> Tensor:
        """Return the sum since the last call: finite exactly when every gradient was."""
        taken, self._sum = self._sum, torch.zeros(())
        return taken

    def _see(self, gradient: Tensor) -> None:
        self._sum = self._sum.to(gradient.device) + torch.linalg.vector_norm(gradient.float())
