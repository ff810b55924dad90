"""Losses as pure functions of tensors; each is a sum, and its caller divides by the step's normaliser."""

import torch
from torch import Tensor
from torch.nn import functional


def sum_type(tensor: Tensor) -> torch.dtype:
    """Return fp32 for whatever is narrower, else the tensor's own type."""
    return torch.promote_types(tensor.dtype, torch.float32)


def slot_loss(logits_BC: Tensor, targets_BC: Tensor, weights_BC: Tensor) -> Tensor:
    """Binary cross-entropy summed over slots, in fp32 at least; a weight of 0 leaves a slot out."""
    logits_BC = logits_BC.to(sum_type(logits_BC))
    losses_BC = functional.binary_cross_entropy_with_logits(logits_BC, targets_BC.to(logits_BC), reduction="none")
    return (losses_BC * weights_BC).sum()


def masked_token_loss(logits_MV: Tensor, tokens_M: Tensor) -> Tensor:
    """Cross-entropy summed over masked tokens, in fp32 at least; zero, with its graph, where none is masked."""
    return functional.cross_entropy(logits_MV.to(sum_type(logits_MV)), tokens_M, reduction="sum")
