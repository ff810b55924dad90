"""Streams of record batches: endless and shuffled for training, once in file order for evaluation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..dataset.dataset import Dataset, Split
from ..order.epoch import ORDER_VERSION, Order
from .partition import Partition, StreamGuards, StreamState
from .prefetch_window import AHEAD, kept, steps_at_once

COLUMNS = ("tokens", "labels")


@dataclass(frozen=True, eq=False)
class RecordBatch:
    """One rank's records of one step, or of a micro-batch of it: B records.

    Attributes:
        epoch: The epoch that they are read in.
        positions: int64 [B], places in the epoch's order, the key of all randomness about a record.
        weights: float32 [B], 1 for a record and 0 for padding.
        table: B rows of the columns that were asked for.
    """

    epoch: int
    positions: NDArray[np.int64]
    weights: NDArray[np.float32]
    table: pa.Table

    def slice(self, start: int, stop: int) -> "RecordBatch":
        """Cut out the records from `start` up to `stop`."""
        table = self.table.slice(start, stop - start)
        return RecordBatch(self.epoch, self.positions[start:stop], self.weights[start:stop], table)

    def ragged(self, column: str) -> tuple[NDArray[np.integer], NDArray[np.int64]]:
        """Return a list column as values, all rows behind each other, and int64 offsets [B + 1] into them."""
        lists = self.table[column].chunk(0)
        offsets = lists.offsets.to_numpy().astype(np.int64)
        return lists.flatten().to_numpy(), offsets - offsets[0]


class StepStream(Protocol):
    """The interface of a training stream: one rank's micro-batches, step after step.

    Attributes:
        guards: What a saved state depends on.
    """

    guards: StreamGuards

    def steps(self, state: StreamState) -> Iterator[tuple[tuple[RecordBatch, ...], StreamState]]:
        """Yield the micro-batches of each step from `state` on, equally many, with the state after that step."""
        ...


class TrainStream:
    """The endless shuffled stream of a split, cut into this rank's batches; to resume takes a StreamState.

    Args:
        dataset: The data set that is read.
        split: Split of the data set.
        seed: Seed of the order.
        global_batch: Records of a step, over all ranks.
        world_size: Ranks that share each step.
        rank: This rank.
        accumulation: Micro-batches of a rank in a step.
        lanes: Lanes of the order, at most.
        window: Window of the order, in records; None: `default_window`.
        columns: Columns of the shards, see `shard_schema`.

    Raises:
        DataError: The ranks cannot share the batch evenly, or it exceeds the split.
    """

    def __init__(
        self,
        dataset: Dataset,
        split: str,
        *,
        seed: int,
        global_batch: int,
        world_size: int = 1,
        rank: int = 0,
        accumulation: int = 1,
        lanes: int = 64,
        window: int | None = None,
        columns: Sequence[str] = COLUMNS,
    ) -> None:
        self._split = dataset.split(split)
        self._columns, self._accumulation = columns, accumulation
        self._steps_at_once = steps_at_once(global_batch, world_size)
        self._keep = kept(self._steps_at_once * global_batch)
        self._first_order = Order.of_shards(self._split.shard_rows, seed=seed, lanes=lanes, window=window)
        self.guards = StreamGuards(
            dataset_id=dataset.manifest.dataset_id,
            order_version=ORDER_VERSION,
            seed=seed,
            lanes=self._first_order.lanes,
            window=self._first_order.window,
            split=split,
        )
        self.partition = Partition(
            num_records=self._split.num_records,
            global_batch=global_batch,
            world_size=world_size,
            rank=rank,
            lanes=self.guards.lanes,
        )
        assert global_batch // world_size % accumulation == 0, "micro-batches of one size"

    def batches(self, state: StreamState) -> Iterator[tuple[RecordBatch, StreamState]]:
        """Yield this rank's batch of each step from `state` on, with the state after that step."""
        state = self.partition.settle(state)
        while True:
            order = replace(self._first_order, epoch=state.epoch)
            left = self.partition.steps_left(state)
            while left:
                self._split.advance(state.epoch * self._split.num_records + state.consumed, self._keep)
                shares = list(islice(self._shares(state), min(left, self._steps_at_once)))
                yield from self._read(order, shares)
                left, state = left - len(shares), shares[-1][1]

    def steps(self, state: StreamState) -> Iterator[tuple[tuple[RecordBatch, ...], StreamState]]:
        """Yield the same as `batches`, cut into micro-batches of one size."""
        for records, after in self.batches(state):
            size = len(records.weights) // self._accumulation
            starts = range(0, len(records.weights), size)
            yield tuple(records.slice(start, start + size) for start in starts), after

    def _expect(self, state: StreamState) -> None:
        """Prefetch the shards that this rank reads some steps later."""
        if not self._split.fetches:
            return
        far = self.partition.settle(replace(state, consumed=state.consumed + AHEAD * self.partition.global_batch))
        order = replace(self._first_order, epoch=far.epoch)
        self._split.expect(order.rows(self.partition.positions(far)))

    def _shares(self, state: StreamState) -> Iterator[tuple[NDArray[np.int64], StreamState]]:
        while True:
            self._expect(state)
            positions, state = self.partition.positions(state), self.partition.after(state)
            yield positions, state

    def _read(
        self, order: Order, shares: Sequence[tuple[NDArray[np.int64], StreamState]]
    ) -> Iterator[tuple[RecordBatch, StreamState]]:
        """Read the shares of several steps of one epoch together."""
        table = self._split.take(order.rows(np.concatenate([positions for positions, _ in shares])), self._columns)
        for number, (positions, after) in enumerate(shares):
            size = len(positions)
            weights = np.ones(size, dtype=np.float32)
            yield RecordBatch(order.epoch, positions, weights, table.slice(number * size, size)), after


def sequential(
    split: Split,
    *,
    batch: int,
    world_size: int = 1,
    rank: int = 0,
    limit: int | None = None,
    columns: Sequence[str] = COLUMNS,
) -> Iterator[RecordBatch]:
    """Yield the first records of a split in manifest order, for evaluation.

    Every rank gets the same number of equally large batches: what is lacking at the end is filled with copies of row 0
    of weight 0. Positions are row numbers.

    Args:
        split: The split that is read.
        batch: Records of a rank and step.
        world_size: Ranks that share the records.
        rank: This rank.
        limit: Records of all ranks; None: all.
        columns: Columns of the shards, see `shard_schema`.
    """
    end = split.num_records if limit is None else min(limit, split.num_records)
    stride = world_size * batch
    for start in range(rank * batch, end + rank * batch, stride):
        split.advance(start, keep=stride)
        positions = np.arange(start, start + batch)
        real = positions < end
        positions = np.where(real, positions, 0)
        yield RecordBatch(0, positions, real.astype(np.float32), split.take(positions, columns))
    split.advance(end + 2 * stride, keep=0)  # nothing of the last batches is wanted soon
