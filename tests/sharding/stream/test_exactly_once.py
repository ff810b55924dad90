"""An epoch sees every row once, whatever the shards, ranks, loader workers, batch sizes and stops: no file is read."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from sharding import Order, Partition, StreamState


@dataclass(frozen=True)
class Run:
    """One stretch between two starts: on so many ranks, each with n `workers` that take every n-th step."""

    world_size: int
    share: int
    workers: int
    steps: int

    def partitions(self, num_records: int, lanes: int) -> list[Partition]:
        batch = self.world_size * self.share
        return [
            Partition(num_records=num_records, global_batch=batch, world_size=self.world_size, rank=rank, lanes=lanes)
            for rank in range(self.world_size)
        ]


SHARDS = st.lists(st.sampled_from([0, 0, 1, 1, 2, 7, 20]), min_size=1, max_size=8).map(tuple).filter(any)
RUNS = st.lists(
    st.builds(Run, st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.integers(1, 7)), min_size=1, max_size=6
)


def steps_of(partition: Partition, state: StreamState) -> Iterator[tuple[np.ndarray, StreamState]]:
    """Go on without end, as a stream does."""
    state = partition.settle(state)
    while True:
        positions, state = partition.positions(state), partition.after(state)
        yield positions, state


def in_turn(partition: Partition, state: StreamState, run: Run) -> list[tuple[np.ndarray, StreamState]]:
    """Let each worker go through the stream and keep every n-th step; the rank takes a step of each in turn."""
    workers = [islice(steps_of(partition, state), number, None, run.workers) for number in range(run.workers)]
    return [next(workers[step % run.workers]) for step in range(run.steps)]


def rows_of_first_epoch(order: Order, runs: list[Run]) -> tuple[list[int], int]:
    """Run after run, each from the state that the last one left; the last goes on to the end of the epoch.

    Returns the rows in the order in which they came and the records that were left for no step.
    """
    num_records, state, seen = sum(order.shard_rows), StreamState(), []
    for run in runs:
        ranks = [in_turn(partition, state, run) for partition in run.partitions(num_records, order.lanes)]
        for step in zip(*ranks, strict=True):
            before, (state, *others) = state, [after for _, after in step]
            assert others == [state] * (run.world_size - 1)
            settled = run.partitions(num_records, order.lanes)[0].settle(before)
            if settled.epoch:
                return seen, num_records - len(seen)
            seen += order.rows(np.concatenate([positions for positions, _ in step])).tolist()
    return seen, num_records - len(seen)


@given(SHARDS, st.integers(1, 12), st.integers(1, 30), RUNS)
@example((1,), 64, 8, [Run(1, 1, 3, 2)])  # one record, and more lanes and workers than there are records
@example((0, 3, 0), 64, 8, [Run(3, 1, 2, 1)])  # the epoch ends with the run
@example((5, 5), 4, 3, [Run(2, 1, 1, 3), Run(2, 2, 2, 1), Run(1, 1, 1, 2)])  # a stop at the very end, and one behind it
def test_no_row_comes_twice_and_less_than_a_batch_is_left_out(
    shard_rows: tuple[int, ...], lanes: int, window: int, runs: list[Run]
) -> None:
    num_records = sum(shard_rows)
    fitting = [run for run in runs if run.world_size * run.share <= num_records]
    order = Order(shard_rows=shard_rows, seed=1, epoch=0, lanes=lanes, window=window)
    ending = [Run(1, 1, 1, num_records + 1)]  # takes what is left, a record at a time
    seen, left = rows_of_first_epoch(order, fitting + ending)
    assert len(seen) == len(set(seen))
    largest = max((run.world_size * run.share for run in fitting), default=1)
    assert left < largest
    assert set(seen) <= set(range(num_records))


@given(SHARDS, st.integers(1, 12), RUNS)
def test_stops_do_not_change_which_rows_have_come(shard_rows: tuple[int, ...], lanes: int, runs: list[Run]) -> None:
    num_records = sum(shard_rows)
    order = Order(shard_rows=shard_rows, seed=1, epoch=0, lanes=lanes, window=4)
    seen, _ = rows_of_first_epoch(order, [run for run in runs if run.world_size * run.share <= num_records])
    uninterrupted = order.rows(np.arange(len(seen))).tolist()
    assert sorted(seen) == sorted(uninterrupted)


@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 5), st.integers(0, 40))
def test_all_ranks_take_equally_many_steps_to_the_end_of_an_epoch(
    num_records: int, world_size: int, share: int, consumed: int
) -> None:
    batch = world_size * share
    run = Run(world_size, share, 1, 1)
    if batch > num_records:
        return
    state = StreamState(0, min(consumed, num_records))
    left = {partition.steps_left(state) for partition in run.partitions(num_records, 64)}
    wanted = (num_records - state.consumed) // batch or num_records // batch
    assert left == {wanted}
