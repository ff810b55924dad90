"""A check that all dense gradients of a step are finite, without keeping or synchronising any of them."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class GradientWatch:
    """Adds up the norms of gradients as they arrive; DeepSpeed frees the gradients themselves early."""

    def __init__(self, model: nn.Module) -> None:
        self._sum = torch.zeros(())
        self._watching = False
        for parameter in model.parameters():
            parameter.register_hook(self._see)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at gradients in this block alone: a forward that takes gradients of its chunks calls the hooks too."""
        self._watching = True
        yield
        self._watching = False

    def take(self) -> Tensor:
        """Return the sum since the last call: finite exactly when every gradient was."""
        taken, self._sum = self._sum, torch.zeros(())
        return taken

    def _see(self, gradient: Tensor) -> None:
        if self._watching:
            self._sum = self._sum.to(gradient.device) + torch.linalg.vector_norm(gradient.float())
