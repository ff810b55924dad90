"""The stream over real shards."""

from collections.abc import Iterator
from itertools import chain, cycle, islice, pairwise, repeat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharding import DataError, Dataset, RecordBatch, StreamState, TrainStream, sequential
from sharding.layout.manifest import KINDS
from tests.rewriting import rewrite

NUM_TRAIN = 97
RUNS = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 8), st.integers(1, 4)), min_size=1, max_size=6)


def step_of_all_ranks(
    dataset: Dataset, state: StreamState, world_size: int, global_batch: int
) -> tuple[list[RecordBatch], StreamState]:
    """Take the step from `state` on every rank; all agree on the state after it."""
    streams = [
        TrainStream(
            dataset, "train", seed=3, global_batch=global_batch, world_size=world_size, rank=rank, columns=["id"]
        )
        for rank in range(world_size)
    ]
    batches, states = zip(*(next(stream.batches(state)) for stream in streams), strict=True)
    assert len(set(states)) == 1
    return list(batches), states[0]


def ids(batches: list[RecordBatch]) -> list[str]:
    return [record for batch in batches for record in batch.table["id"].to_pylist()]


def epoch_in_runs(dataset: Dataset, runs: list[tuple[int, int, int]]) -> Iterator[list[str]]:
    """Go through one epoch, resuming with another (world size, records a rank, steps) again and again."""
    state = StreamState()
    for world_size, share, steps in cycle(runs):
        for _ in repeat(None, steps):
            batches, state = step_of_all_ranks(dataset, state, world_size, world_size * share)
            if batches[0].epoch == 1:
                return
            yield ids(batches)


@settings(max_examples=25)
@given(RUNS)
def test_an_epoch_sees_every_record_once_however_it_is_stopped_and_resumed(
    dataset: Dataset, runs: list[tuple[int, int, int]]
) -> None:
    seen = [record for step in epoch_in_runs(dataset, runs) for record in step]
    dropped = set(map(str, range(NUM_TRAIN))) - set(seen)
    assert len(seen) == NUM_TRAIN - len(dropped)
    assert len(dropped) < max(world_size * share for world_size, share, _ in runs)


@pytest.mark.parametrize("consumed", [0, 12, 84])
def test_a_step_reads_the_same_records_on_any_number_of_ranks(dataset: Dataset, consumed: int) -> None:
    steps = [
        sorted(ids(step_of_all_ranks(dataset, StreamState(5, consumed), world_size, 12)[0]))
        for world_size in (1, 2, 3, 4, 6, 12)
    ]
    assert all(step == steps[0] for step in steps)


def test_a_resumed_stream_goes_on_like_one_that_never_stopped(dataset: Dataset) -> None:
    stream = TrainStream(dataset, "train", seed=1, global_batch=16, world_size=2, rank=1, columns=["id"])
    whole = list(islice(stream.batches(StreamState()), 15))
    resumed = list(islice(stream.batches(whole[7][1]), 7))
    assert [state for _, state in resumed] == [state for _, state in whole[8:]]
    assert [ids([batch]) for batch, _ in resumed] == [ids([batch]) for batch, _ in whole[8:]]
    assert {batch.epoch for batch, _ in whole} == {0, 1, 2}


def test_positions_name_records_within_an_epoch(dataset: Dataset) -> None:
    def by_position(global_batch: int, rank: int, world_size: int) -> dict[int, str]:
        stream = TrainStream(
            dataset, "train", seed=1, global_batch=global_batch, world_size=world_size, rank=rank, columns=["id"]
        )
        batches = [batch for batch, _ in islice(stream.batches(StreamState()), 4)]
        return dict(zip(np.concatenate([batch.positions for batch in batches]).tolist(), ids(batches), strict=True))

    small, large = by_position(8, 0, 1), by_position(24, 1, 2)
    assert small.keys() & large.keys()
    assert all(small[position] == large[position] for position in small.keys() & large.keys())


def test_every_training_record_weighs_one(dataset: Dataset) -> None:
    batch, _ = next(TrainStream(dataset, "train", seed=1, global_batch=4).batches(StreamState()))
    assert batch.weights.dtype == np.float32
    assert batch.weights.tolist() == [1, 1, 1, 1]


def test_lanes_are_never_shorter_than_a_shard(dataset: Dataset) -> None:
    assert TrainStream(dataset, "train", seed=1, global_batch=4).guards.lanes == 10
    assert TrainStream(dataset, "train", seed=1, global_batch=4, lanes=3).guards.lanes == 3


def test_a_split_smaller_than_a_batch_is_refused(dataset: Dataset) -> None:
    with pytest.raises(DataError, match="global batch 6: must not exceed the split's 5 records"):
        TrainStream(dataset, "test", seed=1, global_batch=6)


@pytest.mark.parametrize(
    ("world_size", "batch", "limit"), [(1, 8, None), (3, 4, None), (4, 10, 50), (2, 1, 1), (5, 1, 97)]
)
def test_evaluation_sees_the_first_records_once_in_equal_batches(
    dataset: Dataset, world_size: int, batch: int, limit: int | None
) -> None:
    split = dataset.split("train")
    ranks = [
        list(sequential(split, batch=batch, world_size=world_size, rank=rank, limit=limit, columns=["id"]))
        for rank in range(world_size)
    ]
    rows = split.take(np.arange(limit or NUM_TRAIN), ["id"])["id"].to_pylist()
    batches = [records for step in zip(*ranks, strict=True) for records in step]
    assert {len(records.positions) for records in batches} == {records.table.num_rows for records in batches} == {batch}
    weights = np.concatenate([records.weights for records in batches])
    assert [row for row, weight in zip(ids(batches), weights, strict=True) if weight == 1] == rows
    assert {row for row, weight in zip(ids(batches), weights, strict=True) if weight == 0} <= {rows[0]}
    positions = np.concatenate([records.positions for records in batches])
    assert positions[weights == 1].tolist() == list(range(len(rows)))


def test_a_ragged_column_is_values_and_offsets(dataset: Dataset) -> None:
    [batch] = sequential(dataset.split("test"), batch=5)
    for column in ("tokens", "labels"):
        values, offsets = batch.ragged(column)
        rows = [values[start:end].tolist() for start, end in pairwise(offsets)]
        assert rows == batch.table[column].to_pylist()
        assert offsets.dtype == np.int64


def test_a_slice_of_a_batch_is_a_batch(dataset: Dataset) -> None:
    [batch] = sequential(dataset.split("test"), batch=8)
    part = batch.slice(3, 7)
    values, offsets = part.ragged("tokens")
    assert offsets[0] == 0
    assert offsets[-1] == len(values)
    assert values.tolist() == list(chain(*batch.table["tokens"].to_pylist()[3:7]))
    assert part.positions.tolist() == [3, 4, 0, 0]
    assert part.weights.tolist() == [1, 1, 0, 0]


def test_every_format_gives_the_same_batches_and_states(dataset: Dataset, tmp_path: Path) -> None:
    both = rewrite(dataset.path, tmp_path / "both", *KINDS)
    streams = [TrainStream(Dataset.open(both, kind), "train", seed=3, global_batch=8) for kind in KINDS]
    assert len({stream.guards for stream in streams}) == 1
    steps = [islice(stream.batches(StreamState()), 30) for stream in streams]
    for (arrow, after_arrow), (tar, after_tar) in zip(*steps, strict=True):
        assert after_arrow == after_tar
        assert arrow.positions.tolist() == tar.positions.tolist()
        assert arrow.table.equals(tar.table)
