"""The floor of `ours`: the matrix products of its forward and backward alone, in the same shapes.

FLOPs: 2mkn for each product of [m, k] and [k, n]. A linear layer has three: forward, gradient of its input, gradient
of its weight. Attention has six: scores and mix forward, four backward. Everything else, and what SDPA computes again
in its backward, counts as nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor

from .contenders import Task


@dataclass(frozen=True)
class Product:
    """[batch, m, k] x [batch, k, n]; `transposed` says which factor lies transposed in memory, as autograd has it."""

    batch: int
    m: int
    k: int
    n: int
    transposed: str = ""

    @property
    def flops(self) -> int:
        """Count multiplications and additions."""
        return 2 * self.batch * self.m * self.k * self.n

    def factors(self) -> tuple[Tensor, Tensor]:
        """Invent numbers, laid out as they would be."""
        left, right = torch.randn(self.batch, self.m, self.k), torch.randn(self.batch, self.k, self.n)
        if "left" in self.transposed:
            left = left.transpose(1, 2).contiguous().transpose(1, 2)
        if "right" in self.transposed:
            right = right.transpose(1, 2).contiguous().transpose(1, 2)
        return (left, right) if self.batch > 1 else (left[0], right[0])


def products(task: Task) -> Iterator[tuple[int, Product]]:
    """Yield (how often, product) for one step of `ours`."""
    records, tokens = task.batch.ids_BT.shape
    chunks = -(-len(task.rows_LX) // task.chunk)
    width = task.model.encoder.width
    yield from _pass(task, records, tokens, tokens, 1)
    yield from _pass(task, records, task.chunk, tokens + task.chunk, chunks)
    for product in (*_linear(records * task.chunk, width, width), *_linear(records * task.chunk, width, width)):
        yield chunks, product  # the read-out


def seconds(counted: list[tuple[int, Product]]) -> float:
    """Time every product once it is warm, as often as it occurs, without allocating."""
    total = 0.0
    for times, product in counted:
        left, right = product.factors()
        out = left @ right
        started = perf_counter()
        for _ in range(times):
            torch.matmul(left, right, out=out)
        total += perf_counter() - started
    return total


def _pass(task: Task, records: int, queries: int, keys: int, times: int) -> Iterator[tuple[int, Product]]:
    config = task.model.encoder.model.config
    width, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    rows, heads = records * queries, records * config.num_attention_heads
    square = _linear(rows, width, width)
    for product in (*square * 4, *_linear(rows, width, inner), *_linear(rows, inner, width)):
        yield times * layers, product
    for product in _attention(heads, queries, keys, width // config.num_attention_heads):
        yield times * layers, product


def _linear(rows: int, wide_in: int, wide_out: int) -> tuple[Product, ...]:
    return (
        Product(1, rows, wide_in, wide_out, "right"),
        Product(1, rows, wide_out, wide_in),
        Product(1, wide_out, rows, wide_in, "left"),
    )


def _attention(heads: int, queries: int, keys: int, width: int) -> tuple[Product, ...]:
    score, mix = Product(heads, queries, width, keys, "right"), Product(heads, queries, keys, width)
    return (score, mix, score, mix, *2 * (Product(heads, keys, queries, width, "left"),))
