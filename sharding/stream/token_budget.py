"""Batching by a token budget: records of similar length share a micro-batch, planned pool by pool.

A pool of consecutive positions of an epoch is sorted by length and cut into micro-batches, whose padding then is small;
they are shuffled and dealt out to steps. Everything is a pure function of the pool's lengths, the budget and a key, and
ranks take no part in it: they share the micro-batches of a step. The price: a step of few micro-batches has few
lengths, and the records of a micro-batch lie in all shards that the pool touches.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..order.counter_based import hash64
from ..order.epoch import Order
from ..order.permutation import permute

# Saved states rely on plans as they do on the order: another way to make one is a new ORDER_VERSION.
_DEAL = 35
_POOL = 16_384
# The last step of a pool lacks half of its micro-batches on average: with so many steps, that is little.
_LEAST_STEPS = 16

Positions = NDArray[np.int64]

# Tells of records, by row number, how many tokens the model reads, special tokens counted.
Lengths = Callable[[NDArray[np.int64]], NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How records become micro-batches.

    Attributes:
        micro_tokens: Padded tokens of a micro-batch (records x the longest), exceeded only by a record that is longer.
        micro_records: Records of a micro-batch, at most.
        micro_batches: Micro-batches of a step, over all ranks.
        max_tokens: Tokens of a text that are read, special tokens counted.
        pool: Positions that are planned together.
    """

    micro_tokens: int
    micro_records: int
    micro_batches: int
    max_tokens: int
    pool: int = _POOL

    @classmethod
    def of_batch(cls, micro_tokens: int, *, global_batch: int, micro_batch: int, max_tokens: int) -> "Budget":
        """Deal as many micro-batches a step as full ones of `micro_batch` records would make up the global batch."""
        if global_batch % micro_batch:
            raise DataError(
                f"global batch {global_batch}: must be a multiple of the micro-batch, {micro_batch} records, "
                "where micro-batches have a budget of tokens"
            )
        return cls(
            micro_tokens=micro_tokens,
            micro_records=micro_batch,
            micro_batches=global_batch // micro_batch,
            max_tokens=max_tokens,
            pool=max(_POOL, _LEAST_STEPS * global_batch),
        )


@dataclass(frozen=True)
class PlannedStep:
    """The micro-batches of one step, longest records first, as positions; one without positions: nothing is left."""

    micro_batches: tuple[Positions, ...]

    @property
    def num_records(self) -> int:
        """Records of all its micro-batches."""
        return sum(map(len, self.micro_batches))

    def share(self, world_size: int, rank: int) -> tuple[Positions, ...]:
        """Take a rank's micro-batches: those that ranks run at the same time are neighbours in length."""
        return self.micro_batches[rank::world_size]


@dataclass(frozen=True)
class PooledOrder:
    """The plans of an epoch, pool by pool.

    Attributes:
        order: Order of the epoch.
        budget: How records become micro-batches.
        lengths: Returns the lengths of rows of the order, in tokens.
    """

    order: Order
    budget: Budget
    lengths: Lengths

    def steps(self, pool: int) -> tuple[PlannedStep, ...]:
        """Plan a pool, 0 being the first, whose positions are in [pool * budget.pool, the next pool's first)."""
        start = pool * self.budget.pool
        positions = np.arange(start, min(start + self.budget.pool, sum(self.order.shard_rows)))
        key = hash64(_DEAL, self.order.seed, self.order.epoch, pool)
        plan = plan_pool(self.lengths(self.order.rows(positions)), self.budget, key)
        return tuple(PlannedStep(tuple(places + start for places in step.micro_batches)) for step in plan)


def check_share(budget: Budget, world_size: int) -> None:
    """Raise a DataError when ranks cannot share the micro-batches of a step evenly."""
    if budget.micro_batches % world_size:
        raise DataError(
            f"{budget.micro_batches} micro-batches a step: must be a multiple of the world size {world_size}, so that "
            "every rank takes equally many: change the global batch, or the most records of a micro-batch"
        )


def plan_pool(lengths: NDArray[np.int64], budget: Budget, key: NDArray[np.uint64]) -> tuple[PlannedStep, ...]:
    """Plan the steps of a pool from the lengths of its records: each place in it comes once.

    Every step has `budget.micro_batches`; those that are lacking in the last are empty.
    """
    micro_batches = _cut(lengths, budget)
    size = budget.micro_batches
    dealt = permute(np.arange(len(micro_batches)), len(micro_batches), key)
    # By length within a step, so that ranks wait little for each other.
    steps = [np.sort(dealt[start : start + size]) for start in range(0, len(dealt), size)]
    return tuple(PlannedStep(_filled([micro_batches[number] for number in step], size)) for step in steps)


def _cut(lengths: NDArray[np.int64], budget: Budget) -> list[Positions]:
    """Cut from the longest down: the first record of a micro-batch then says how many fit."""
    by_length = np.argsort(lengths, kind="stable")
    micro_batches, stop = [], len(lengths)
    while stop:
        fitting = budget.micro_tokens // max(int(lengths[by_length[stop - 1]]), 1)
        start = max(stop - max(min(fitting, budget.micro_records), 1), 0)
        micro_batches.append(by_length[start:stop])
        stop = start
    return micro_batches


def _filled(micro_batches: Sequence[Positions], size: int) -> tuple[Positions, ...]:
    nothing = np.empty(0, dtype=np.int64)
    return (*micro_batches, *[nothing] * (size - len(micro_batches)))
