"""Simulate an epoch of a data set on a cluster that need not exist: downloads, cache size and padding.

It follows the order as training does, but of whole nodes, because the ranks of a node share its cache. No shard is read
but for the lengths of its records.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
from numpy.typing import NDArray

from ..dataset.dataset import Dataset, Split
from ..order.epoch import Order
from .budget_stream import lengths_read
from .partition import Partition, StreamState, accumulation
from .prefetch_window import PrefetchWindow
from .reading import Reading, Steps, follow
from .token_budget import Budget, Lengths, PooledOrder, check_share

# Of a longer epoch, every n-th step (or pool of a budget) is followed, n being the least that leaves so many records.
_MOST_RECORDS = 2**21


@dataclass(frozen=True)
class SimulatedCluster:
    """A cluster of equal nodes.

    Attributes:
        nodes: How many there are.
        ranks_per_node: Ranks of each, which share its cache.
    """

    nodes: int
    ranks_per_node: int

    @property
    def world_size(self) -> int:
        """Ranks of all nodes."""
        return self.nodes * self.ranks_per_node

    def ranks_of(self, node: int) -> range:
        """Name the ranks of a node."""
        return range(node * self.ranks_per_node, (node + 1) * self.ranks_per_node)


@dataclass(frozen=True)
class Simulation:
    """An epoch under one rule of batches.

    Attributes:
        steps: Steps of the epoch; an estimate for a token budget if `every` is not 1.
        records: Records of a rank and step, on average.
        left_out: Records of no step.
        every: Only every so many-th step or pool was followed; if that is not 1, the reading is a lower bound.
        reading: What nodes read and keep.
    """

    steps: int
    records: float
    left_out: int
    every: int
    reading: Reading


@dataclass(frozen=True, kw_only=True)
class Simulator:
    """Simulates the reading of a split by a cluster.

    Attributes:
        dataset: The data set that is read.
        split: Split of the data set.
        cluster: The nodes that read.
        global_batch: Records of a step, over all ranks, see train.global_batch.
        micro_batch: Records of a rank at a time, at most, see train.micro_batch.
        max_tokens: Tokens of a text that are read, special tokens counted.
        lanes: Lanes of the order, at most.
        most_records: An epoch of more is not followed in every step.
    """

    dataset: Dataset
    split: str
    cluster: SimulatedCluster
    global_batch: int
    micro_batch: int
    max_tokens: int
    lanes: int = 64
    most_records: int = _MOST_RECORDS

    def batches_of_records(self) -> Simulation:
        """Simulate batches of equally many records; DataError when ranks cannot share one, or the split has too few."""
        batch, cluster = self.global_batch, self.cluster
        shape = {"num_records": self._split.num_records, "global_batch": batch, "lanes": self._order.lanes}
        steps = Partition(**shape, world_size=cluster.world_size, rank=0).steps_left(StreamState())
        # The share of a node is that of its ranks, behind each other.
        nodes = [Partition(**shape, world_size=cluster.nodes, rank=node) for node in range(cluster.nodes)]
        share = batch // cluster.world_size
        parts = cluster.ranks_per_node * accumulation(share, self.micro_batch)
        every = self._every(steps * batch)
        starts = range(0, steps * batch, every * batch)
        followed = ([np.split(node.positions(StreamState(0, start)), parts) for node in nodes] for start in starts)
        reading = self._follow(followed, PrefetchWindow.of_batches(batch, cluster.world_size))
        return Simulation(steps, share, self._split.num_records - steps * batch, every, reading)

    def budgets_of_tokens(self, micro_tokens: int) -> Simulation:
        """Simulate micro-batches with a budget of tokens; DataError when ranks cannot share those of a step."""
        budget = Budget.of_batch(
            micro_tokens, global_batch=self.global_batch, micro_batch=self.micro_batch, max_tokens=self.max_tokens
        )
        check_share(budget, self.cluster.world_size)
        pools = range(ceil(self._split.num_records / budget.pool))
        every = self._every(self._split.num_records)
        followed = pools[::every]
        steps_followed = self._steps_of(PooledOrder(self._order, budget, self._lengths), followed)
        reading = self._follow(steps_followed, PrefetchWindow.of_pools(budget.pool))
        steps = round(reading.num_steps * len(pools) / len(followed))
        return Simulation(steps, self._split.num_records / steps / self.cluster.world_size, 0, every, reading)

    @cached_property
    def _split(self) -> Split:
        return self.dataset.split(self.split)

    @cached_property
    def _order(self) -> Order:
        return Order.of_shards(self._split.shard_rows, seed=0, lanes=self.lanes)

    @property
    def _lengths(self) -> Lengths:
        return lengths_read(self._split, self.dataset.manifest.tokenizer, self.max_tokens)

    def _every(self, num_records: int) -> int:
        return ceil(num_records / self.most_records)

    def _follow(self, steps: Steps, reach: PrefetchWindow) -> Reading:
        shards = self.dataset.manifest.splits[self.split]
        shard_bytes = np.array([shard.bytes_read(self.dataset.kind) for shard in shards], dtype=np.int64)
        return follow(steps, self.cluster.nodes, self._order, shard_bytes, self._lengths, reach)

    def _steps_of(self, pooled: PooledOrder, pools: Iterable[int]) -> Iterator[list[list[NDArray[np.int64]]]]:
        world_size = self.cluster.world_size
        for step in (step for pool in pools for step in pooled.steps(pool)):
            shares = [step.share(world_size, rank) for rank in range(world_size)]
            yield [
                [positions for rank in self.cluster.ranks_of(node) for positions in shares[rank] if len(positions)]
                for node in range(self.cluster.nodes)
            ]
