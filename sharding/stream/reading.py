"""Measure a simulated epoch: shards held and bytes fetched by each node, and the share of padding."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from ..order.epoch import Order
from .prefetch_window import PrefetchWindow
from .token_budget import Lengths

# Positions by step, node and micro-batch; every step has all nodes, no micro-batch is empty.
Steps = Iterable[Sequence[Sequence[NDArray[np.int64]]]]


@dataclass(frozen=True)
class Reading:
    """What steps demand of nodes whose ranks share a cache that is empty in the beginning.

    Attributes:
        num_steps: Steps that were followed.
        open_shards: Shards that a node keeps at once, at most, see `PrefetchWindow`; all epochs are taken to be alike.
        cache_bytes: Bytes of these; with less, a node fetches shards twice, or finds no space.
        egress_bytes: Bytes that each node fetches.
        padding: The share of padding in all tokens.
    """

    num_steps: int
    open_shards: int
    cache_bytes: int
    egress_bytes: tuple[int, ...]
    padding: float


def follow(
    steps: Steps, num_nodes: int, order: Order, shard_bytes: NDArray[np.int64], lengths: Lengths, reach: PrefetchWindow
) -> Reading:
    """Follow at least one step of all nodes, and measure it.

    Args:
        steps: The micro-batches of each node, step after step.
        num_nodes: Nodes of the cluster.
        order: Order of the epoch.
        shard_bytes: int64, bytes of each shard of the order.
        lengths: Returns the lengths of rows, in tokens.
        reach: The prefetch window.
    """
    ends = np.cumsum(order.shard_rows)
    first = np.full((num_nodes, len(ends)), -1)
    last = first.copy()
    tokens, num_steps = np.zeros(2, dtype=np.int64), 0
    for nodes in steps:
        num_steps += 1
        micro_batches = [positions for node in nodes for positions in node]
        positions = np.concatenate(micro_batches)
        rows, start = order.rows(positions), positions.min()
        shards = np.searchsorted(ends, rows, side="right")
        readers = np.repeat(np.arange(num_nodes), [sum(map(len, node)) for node in nodes])
        is_new = first[readers, shards] < 0
        first[readers[is_new], shards[is_new]] = start
        last[readers, shards] = start
        tokens += _tokens(lengths(rows), list(map(len, micro_batches)))
    spans = (first - reach.ahead, last + reach.behind + 1)
    return Reading(
        num_steps=num_steps,
        open_shards=_most_at_once(*spans, last >= 0, np.ones_like(shard_bytes), int(ends[-1])),
        cache_bytes=_most_at_once(*spans, last >= 0, shard_bytes, int(ends[-1])),
        egress_bytes=tuple(((last >= 0) @ shard_bytes).tolist()),
        padding=1 - float(tokens[0] / tokens[1]),
    )


def _tokens(lengths: NDArray[np.int64], sizes: list[int]) -> tuple[int, int]:
    """Count tokens of micro-batches of these sizes, behind each other: without padding, and with it."""
    longest = np.maximum.reduceat(lengths, list(accumulate(sizes[:-1], initial=0)))
    return int(lengths.sum()), int(longest @ np.array(sizes))


def _most_at_once(
    start: NDArray[np.int64], stop: NDArray[np.int64], used: NDArray[np.bool], weights: NDArray[np.int64], epoch: int
) -> int:
    """Add up the weights of the shards that a node [N, shards] keeps in [start, stop), whose epochs follow each other.

    Never more than the weights of all: what several epochs keep is kept once.
    """
    epochs = 2 + int((stop - start)[used].max()) // epoch
    begins = epoch * np.arange(epochs)[:, None]
    most = 0
    for number in range(len(used)):
        own = used[number]
        times = np.concatenate([(begins + start[number, own]).ravel(), (begins + stop[number, own]).ravel()])
        gains = np.tile(weights[own], epochs)
        changes = np.concatenate([gains, -gains])
        most = max(most, int(changes[np.lexsort((changes, times))].cumsum().max(initial=0)))
    return min(most, int(weights.sum()))
