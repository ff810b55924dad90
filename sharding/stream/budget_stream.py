"""The training stream of micro-batches with a token budget, resumable at any step."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import accumulate

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..dataset.dataset import Dataset, Split
from ..errors import DataError, StreamMismatchError
from ..order.epoch import ORDER_VERSION, Order
from ..tokenizing import TokenizerSpec
from .partition import StreamGuards, StreamState
from .prefetch_window import kept
from .records import COLUMNS, RecordBatch
from .token_budget import Budget, Lengths, PlannedStep, PooledOrder, check_share


class BudgetStream:
    """The endless shuffled stream of a split in micro-batches of at most so many padded tokens.

    An epoch has every record once: nothing is dropped, and what is lacking in the last step of a pool is filled with a
    null record of weight 0 for each micro-batch. `consumed` counts the records of finished steps.

    Args:
        dataset: The data set that is read.
        split: Split of the data set.
        budget: How records become micro-batches.
        seed: Seed of the order.
        world_size: Ranks that share each step.
        rank: This rank.
        lanes: Lanes of the order, at most.
        window: Window of the order, in records; None: `default_window`.
        columns: Columns of the shards, see `shard_schema`.

    Raises:
        DataError: Ranks cannot share the micro-batches of a step, or there is no record.
    """

    def __init__(
        self,
        dataset: Dataset,
        split: str,
        budget: Budget,
        *,
        seed: int,
        world_size: int = 1,
        rank: int = 0,
        lanes: int = 64,
        window: int | None = None,
        columns: Sequence[str] = COLUMNS,
    ) -> None:
        self._split = dataset.split(split)
        check_share(budget, world_size)
        if not self._split.num_records:
            raise DataError(f"split {split!r} of {dataset.path}: has no records to learn from")
        self._first_order = Order.of_shards(self._split.shard_rows, seed=seed, lanes=lanes, window=window)
        self._world_size, self._rank, self._columns = world_size, rank, columns
        self._budget = budget
        self._lengths = lengths_read(self._split, dataset.manifest.tokenizer, budget.max_tokens)
        self.guards = StreamGuards(
            dataset_id=dataset.manifest.dataset_id,
            order_version=ORDER_VERSION,
            seed=seed,
            lanes=self._first_order.lanes,
            window=self._first_order.window,
            split=split,
            budget=budget,
        )

    def steps(self, state: StreamState) -> Iterator[tuple[tuple[RecordBatch, ...], StreamState]]:
        """Yield this rank's micro-batches of each step from `state` on, with the state after that step.

        Raises a StreamMismatchError when no step ends at `state`.
        """
        state = self._settle(state)
        keep = kept(self._budget.pool)
        plan = _behind(self._plan(state), state.consumed % self._budget.pool)
        while True:
            order = self._order(state)
            next_pool = (state.consumed // self._budget.pool + 1) * self._budget.pool
            following = self._settle(StreamState(state.epoch, next_pool))
            next_plan = self._plan(following)
            self._expect(self._order(following), next_plan)
            for step in plan:
                self._split.advance(order.epoch * self._split.num_records + state.consumed, keep)
                own = step.share(self._world_size, self._rank)
                state = self._settle(StreamState(order.epoch, state.consumed + step.num_records))
                yield tuple(self._batch(order, positions) for positions in own), state
            plan = next_plan

    def _order(self, state: StreamState) -> Order:
        return replace(self._first_order, epoch=state.epoch)

    def _plan(self, state: StreamState) -> Sequence[PlannedStep]:
        return PooledOrder(self._order(state), self._budget, self._lengths).steps(state.consumed // self._budget.pool)

    def _expect(self, order: Order, plan: Sequence[PlannedStep]) -> None:
        """Have the shards fetched that this rank reads of a pool."""
        own = np.concatenate([part for step in plan for part in step.share(self._world_size, self._rank)])
        if self._split.fetches and len(own):
            self._split.expect(order.rows(own))

    def _settle(self, state: StreamState) -> StreamState:
        return state if state.consumed < self._split.num_records else StreamState(state.epoch + 1)

    def _batch(self, order: Order, positions: NDArray[np.int64]) -> RecordBatch:
        if not len(positions):
            return RecordBatch(order.epoch, np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.float32), self._nothing)
        table = self._split.take(order.rows(positions), self._columns)
        return RecordBatch(order.epoch, positions, np.ones(len(positions), dtype=np.float32), table)

    @cached_property
    def _nothing(self) -> pa.Table:
        """One null record, without tokens and labels."""
        schema = self._split.take(np.zeros(1, dtype=np.int64), self._columns).schema
        return pa.table([pa.nulls(1, field.type) for field in schema], schema)


def lengths_read(split: Split, tokenizer: TokenizerSpec, max_tokens: int) -> Lengths:
    """Count tokens as a model reads them: with special tokens, and at most `max_tokens`."""
    special_tokens = len(tokenizer.prefix) + len(tokenizer.suffix)
    return lambda rows: np.minimum(split.lengths(rows) + special_tokens, max_tokens)


def _behind(plan: Sequence[PlannedStep], consumed: int) -> Sequence[PlannedStep]:
    """Take the steps that follow when so many records of a pool are consumed."""
    ends = list(accumulate((step.num_records for step in plan), initial=0))
    if consumed not in ends:
        raise StreamMismatchError(
            f"stream state: {consumed} records of a pool are consumed, and none of its steps ends there: "
            "the state was made with other records or lengths: start from a fresh state"
        )
    return plan[ends.index(consumed) :]
