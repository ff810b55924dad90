"""Shares of ranks, and where a stream goes on."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharding import DataError, Partition, StreamGuards, StreamMismatchError, StreamState

GUARDS = StreamGuards(dataset_id="sha256:1", order_version=1, seed=2, lanes=64, window=100, split="train")


@st.composite
def shapes(draw: st.DrawFn) -> tuple[int, int, int, int]:
    world_size, share, lanes = draw(st.integers(1, 6)), draw(st.integers(1, 5)), draw(st.integers(1, 9))
    batch = world_size * share
    return draw(st.integers(batch, 5 * batch)), batch, world_size, lanes


@given(shapes(), st.integers(0, 200))
def test_ranks_share_a_global_batch_without_gap_or_overlap(shape: tuple[int, int, int, int], consumed: int) -> None:
    num_records, batch, world_size, lanes = shape
    partitions = [
        Partition(num_records=num_records, global_batch=batch, world_size=world_size, rank=rank, lanes=lanes)
        for rank in range(world_size)
    ]
    state = partitions[0].settle(StreamState(0, min(consumed, num_records)))
    shares = [partition.positions(state) for partition in partitions]
    assert {len(share) for share in shares} == {batch // world_size}
    assert sorted(np.concatenate(shares).tolist()) == list(range(state.consumed, state.consumed + batch))


def test_shares_never_change() -> None:
    shares = [
        Partition(num_records=1000, global_batch=36, world_size=3, rank=rank, lanes=8).positions(StreamState(1, start))
        for start in (0, 180)
        for rank in range(3)
    ]
    assert shares[0].tolist() == [0, 8, 16, 24, 32, 1, 9, 17, 25, 33, 2, 10]
    assert (
        hashlib.sha256(np.concatenate(shares).astype("<i8").tobytes()).hexdigest()
        == "5819b5d0690eeb4d38c7fd5075636d7b9eb37f0a0ec5b61ba179b312f56be260"
    )


def test_ranks_keep_to_their_own_lanes() -> None:
    lanes_of_rank = [
        set(
            (Partition(num_records=64, global_batch=16, world_size=4, rank=rank, lanes=8).positions(state) % 8).tolist()
        )
        for rank in range(4)
        for state in [StreamState(0, 16)]
    ]
    assert lanes_of_rank == [{0, 1}, {2, 3}, {4, 5}, {6, 7}]


@given(shapes())
def test_an_epoch_has_the_steps_that_fit_and_then_rolls_over(shape: tuple[int, int, int, int]) -> None:
    num_records, batch, world_size, _ = shape
    partition = Partition(num_records=num_records, global_batch=batch, world_size=world_size, rank=0)
    state, steps = StreamState(), 0
    while state.epoch == 0:
        assert partition.steps_left(state) == num_records // batch - steps
        state, steps = partition.after(state), steps + 1
    assert (state, steps) == (StreamState(1, 0), num_records // batch)


def test_a_larger_batch_that_no_longer_fits_the_epoch_starts_the_next() -> None:
    partition = Partition(num_records=10, global_batch=6, world_size=1, rank=0)
    assert partition.settle(StreamState(3, 4)) == StreamState(3, 4)
    assert partition.settle(StreamState(3, 5)) == StreamState(4, 0)
    assert partition.steps_left(StreamState(3, 5)) == 1


@pytest.mark.parametrize(
    ("global_batch", "message"),
    [(7, "global batch 7: must be a multiple of the world size 2"), (12, "global batch 12: must not exceed .* 10 rec")],
)
def test_a_batch_that_cannot_be_shared_is_refused(global_batch: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Partition(num_records=10, global_batch=global_batch, world_size=2, rank=0)


def test_states_and_guards_survive_json() -> None:
    state = StreamState(2, 512)
    assert StreamState.from_json(json.loads(json.dumps(state.to_json()))) == state
    assert StreamGuards.from_json(json.loads(json.dumps(GUARDS.to_json()))) == GUARDS


@pytest.mark.parametrize(
    "change", [{"seed": 3}, {"dataset_id": "sha256:2"}, {"lanes": 1}, {"window": 7}, {"split": "dev"}]
)
def test_a_state_of_another_stream_is_refused_with_both_values(change: dict[str, object]) -> None:
    [(name, before)] = change.items()
    with pytest.raises(StreamMismatchError, match=rf"stream {name} = {getattr(GUARDS, name)!r}.*{before!r}"):
        GUARDS.check(replace(GUARDS, **change))
    GUARDS.check(GUARDS)
