"""How a loss that is a sum over chunks is taken with the graph of one chunk in memory at a time.

Both drivers give the gradients of the plain sum. A chunk has columns of one tensor as its own (its label rows) and
shares others (keys and values of the text, parameters). The gradients of what is shared are summed in fp32 at least:
in bf16 the sum over 512 chunks would be off by 2 %.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

Chunk = TypeVar("Chunk")

# (chunk, its columns of the own tensor, shared tensors) -> loss of the chunk, a scalar.
ChunkLoss = Callable[[Chunk, Tensor, Sequence[Tensor]], Tensor]


def checkpointed_sum(
    loss_of: ChunkLoss[Chunk], chunks: Sequence[Chunk], own: Tensor, size: int, shared: Sequence[Tensor]
) -> Tensor:
    """Sum over chunks, each run once more in backward. Works under every ZeRO stage.

    own: [*, C, ...], of which chunk i gets the columns i * size to (i + 1) * size.
    """

    def run(chunk: Chunk, mine: Tensor, *wide: Tensor) -> Tensor:
        with _own_casts(mine.device.type):
            narrow = [tensor.to(like.dtype) for tensor, like in zip(wide, shared, strict=True)]
            return loss_of(chunk, mine, narrow)

    wide = [tensor.to(_sum_type(tensor)) for tensor in shared]
    parts = zip(chunks, own.split(size, dim=1), strict=True)
    return torch.stack([checkpoint(run, chunk, mine, *wide, use_reentrant=False) for chunk, mine in parts]).sum()


def fused_sum(
    loss_of: ChunkLoss[Chunk],
    chunks: Sequence[Chunk],
    own: Tensor,
    size: int,
    shared: Sequence[Tensor],
    parameters: Sequence[Tensor],
) -> Tensor:
    """Sum over chunks, each run once: its gradients are taken in forward and handed over, scaled, in backward.

    parameters: all that `loss_of` reads beside its arguments. Wrong under ZeRO-3, where they are not whole.
    """
    return _Fused.apply(loss_of, chunks, size, len(shared), own, *shared, *parameters)


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, loss_of: Any, chunks: Sequence[Any], size: int, num_shared: int, own: Tensor, *inputs: Tensor
    ) -> Tensor:
        shared, parameters = [_leaf(tensor) for tensor in inputs[:num_shared]], inputs[num_shared:]
        total = own.new_zeros((), dtype=_sum_type(own))
        own_gradient = torch.empty_like(own)
        sums: list[Tensor | None] = [None] * len(inputs)
        for chunk, mine, place in zip(chunks, own.split(size, dim=1), own_gradient.split(size, dim=1), strict=True):
            leaf = _leaf(mine)
            with torch.enable_grad():
                loss = loss_of(chunk, leaf, shared)
            first, *others = torch.autograd.grad(loss, (leaf, *shared, *parameters), allow_unused=True)
            place.copy_(first)
            sums = [_plus(sum_, gradient) for sum_, gradient in zip(sums, others, strict=True)]
            total += loss.detach()
        ctx.types = [tensor.dtype for tensor in (own, *inputs)]
        ctx.gradients = [own_gradient, *sums]
        return total

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> Any:
        # In place and given away: what is as large as all label rows exists once.
        gradients, ctx.gradients = ctx.gradients, None
        scaled = (
            None if gradient is None else gradient.mul_(outputs[0]).to(dtype)
            for gradient, dtype in zip(gradients, ctx.types, strict=True)
        )
        return None, None, None, None, *scaled


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().requires_grad_()


def _plus(total: Tensor | None, gradient: Tensor | None) -> Tensor | None:
    if gradient is None:
        return total
    # A copy to begin with: autograd may hand the same memory to two inputs.
    return gradient.to(_sum_type(gradient), copy=True) if total is None else total.add_(gradient)


def _sum_type(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)


def _own_casts(device: str) -> torch.autocast:
    """Give the chunk its own bf16 copies of parameters, or autocast's shared one would sum their gradients in bf16."""
    return torch.autocast(
        device,
        dtype=torch.get_autocast_dtype(device),
        enabled=torch.is_autocast_enabled(device),
        cache_enabled=False,
    )
