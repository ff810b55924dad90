"""Memory-efficient sums of a loss over chunks: the graph of one chunk exists at a time.

Both drivers give the gradients of the plain sum. A chunk has columns of one tensor as its own (its label rows) and
shares others (keys and values of the text, parameters). The gradients of what is shared are summed in fp32 at least:
in bf16 the sum over 512 chunks would be off by 2 %.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .slots import sum_type

Chunk = TypeVar("Chunk")

# (chunk, its columns of the own tensor, shared tensors) -> loss of the chunk, a scalar.
ChunkLoss = Callable[[Chunk, Tensor, Sequence[Tensor]], Tensor]


def checkpointed_sum(
    loss_of: ChunkLoss[Chunk],
    chunks: Sequence[Chunk],
    own: Tensor,
    sizes: int | list[int],
    shared: Sequence[Tensor],
) -> Tensor:
    """Sum over chunks with activation checkpointing: each is run once more in backward. Works under every ZeRO stage.

    Source: Chen, Xu, Zhang, Guestrin, Training Deep Nets with Sublinear Memory Cost (arXiv:1604.06174).

    Args:
        loss_of: The loss of a chunk, a scalar.
        chunks: What `loss_of` is called with, one by one.
        own: [*, C, ...], which is cut into the chunks' columns.
        sizes: Columns of the chunks, as torch.split takes them.
        shared: Tensors that all chunks read.
    """

    def run(chunk: Chunk, mine: Tensor, *wide: Tensor) -> Tensor:
        with _own_casts(mine.device.type):
            narrow = [tensor.to(like.dtype) for tensor, like in zip(wide, shared, strict=True)]
            return loss_of(chunk, mine, narrow)

    wide = [tensor.to(sum_type(tensor)) for tensor in shared]
    parts = zip(chunks, own.split(sizes, dim=1), strict=True)
    losses = [checkpoint(run, chunk, mine, *wide, use_reentrant=False) for chunk, mine in parts]
    return torch.stack(losses).sum(dtype=sum_type(losses[0]))


def fused_sum(
    loss_of: ChunkLoss[Chunk],
    chunks: Sequence[Chunk],
    own: Tensor,
    sizes: int | list[int],
    shared: Sequence[Tensor],
    parameters: Sequence[Tensor],
) -> Tensor:
    """Sum over chunks, each run once: its gradients are computed in forward, and returned, scaled, in backward.

    Wrong under ZeRO-3, where parameters are not whole.

    Args:
        loss_of: The loss of a chunk, a scalar.
        chunks: What `loss_of` is called with, one by one.
        own: [*, C, ...], which is cut into the chunks' columns.
        sizes: Columns of the chunks, as torch.split takes them.
        shared: Tensors that all chunks read.
        parameters: All that `loss_of` reads beside its arguments.
    """
    return _Fused.apply(loss_of, chunks, sizes, len(shared), own, *shared, *parameters)


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, loss_of: Any, chunks: Sequence[Any], sizes: Any, num_shared: int, own: Tensor, *inputs: Tensor
    ) -> Tensor:
        shared, parameters = [_leaf(tensor) for tensor in inputs[:num_shared]], inputs[num_shared:]
        total = own.new_zeros((), dtype=sum_type(own))
        own_gradient = torch.zeros_like(own)
        sums: list[Tensor | None] = [None] * len(inputs)
        for chunk, mine, place in zip(chunks, own.split(sizes, dim=1), own_gradient.split(sizes, dim=1), strict=True):
            leaf = _leaf(mine)
            with torch.enable_grad():
                loss = loss_of(chunk, leaf, shared)
            with torch.autocast(own.device.type, enabled=False):  # as every backward outside of a forward
                first, *others = torch.autograd.grad(loss, (leaf, *shared, *parameters), allow_unused=True)
            if first is not None:
                place.copy_(first)
            sums = [_plus(sum_, gradient) for sum_, gradient in zip(sums, others, strict=True)]
            total += loss.detach()
            del loss, first, others  # before the next chunk makes its own
        ctx.save_for_backward(own_gradient, *sums)
        return total

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> Any:
        # Autograd gives each the type of its input.
        scaled = (None if gradient is None else outputs[0] * gradient for gradient in ctx.saved_tensors)
        return None, None, None, None, *scaled


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().requires_grad_()


def _plus(total: Tensor | None, gradient: Tensor | None) -> Tensor | None:
    if gradient is None:
        return total
    # A copy to begin with: autograd may hand the same memory to two inputs.
    return gradient.to(sum_type(gradient), copy=True) if total is None else total.add_(gradient)


def _own_casts(device: str) -> torch.autocast:
    """Give the chunk its own bf16 copies of parameters, or autocast's shared one would sum their gradients in bf16."""
    return torch.autocast(
        device,
        dtype=torch.get_autocast_dtype(device),
        enabled=torch.is_autocast_enabled(device),
        cache_enabled=False,
    )
