"""Decides what nodes that read an epoch hold and fetch, and how much of what they read is padding."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from .budget import Lengths
from .order import Order

# Positions by step, node and micro-batch; every step has all nodes, no micro-batch is empty.
Steps = Iterable[Sequence[Sequence[NDArray[np.int64]]]]


@dataclass(frozen=True)
class Reading:
    """What `num_steps` steps ask of nodes whose ranks share a cache that is empty in the beginning.

    open_shards and cache_bytes: what a node holds at once, at most, from the first use of a shard to the last; with
    less, it fetches a shard twice. egress_bytes: what each node fetches. padding: its share of all tokens.
    """

    num_steps: int
    open_shards: int
    cache_bytes: int
    egress_bytes: tuple[int, ...]
    padding: float


def follow(steps: Steps, num_nodes: int, order: Order, shard_bytes: NDArray[np.int64], lengths: Lengths) -> Reading:
    """Go through at least one step. shard_bytes: of the shards of the order, int64."""
    ends = np.cumsum(order.shard_rows)
    first = np.full((num_nodes, len(ends)), -1)
    last = first.copy()
    tokens, number = np.zeros(2, dtype=np.int64), -1
    for number, nodes in enumerate(steps):
        micro_batches = [positions for node in nodes for positions in node]
        rows = order.rows(np.concatenate(micro_batches))
        shards = np.searchsorted(ends, rows, side="right")
        readers = np.repeat(np.arange(num_nodes), [sum(map(len, node)) for node in nodes])
        is_new = first[readers, shards] < 0
        first[readers[is_new], shards[is_new]] = number
        last[readers, shards] = number
        tokens += _tokens(lengths(rows), list(map(len, micro_batches)))
    return Reading(
        num_steps=number + 1,
        open_shards=_most_at_once(first, last, np.ones_like(shard_bytes)),
        cache_bytes=_most_at_once(first, last, shard_bytes),
        egress_bytes=tuple(((last >= 0) @ shard_bytes).tolist()),
        padding=1 - float(tokens[0] / tokens[1]),
    )


def _tokens(lengths: NDArray[np.int64], sizes: list[int]) -> tuple[int, int]:
    """Count tokens of micro-batches of these sizes, behind each other: without padding, and with it."""
    longest = np.maximum.reduceat(lengths, list(accumulate(sizes[:-1], initial=0)))
    return int(lengths.sum()), int(longest @ np.array(sizes))


def _most_at_once(first: NDArray[np.int64], last: NDArray[np.int64], weights: NDArray[np.int64]) -> int:
    """Add up the weights of the shards that a node [N, shards] holds from its first step to its last."""
    node, shard = (last >= 0).nonzero()
    changes = np.zeros((len(last), int(last.max()) + 2), dtype=np.int64)
    np.add.at(changes, (node, first[node, shard]), weights[shard])
    np.add.at(changes, (node, last[node, shard] + 1), -weights[shard])
    return int(changes.cumsum(axis=1).max())
