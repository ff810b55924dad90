"""The precision of losses and of gradient sums over chunks: fp32 at least."""

import torch
from torch import Tensor


def sum_type(tensor: Tensor) -> torch.dtype:
    """Return fp32 for whatever is narrower, else the tensor's own type."""
    return torch.promote_types(tensor.dtype, torch.float32)
