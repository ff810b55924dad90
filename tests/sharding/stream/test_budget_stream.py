"""Micro-batches with a budget of tokens, over real shards."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import cycle, islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharding import (
    Budget,
    BudgetStream,
    DataError,
    Dataset,
    RecordBatch,
    StreamGuards,
    StreamMismatchError,
    StreamState,
    convert,
)

NUM_RECORDS = 83  # of the fixture `texts`
WORLD_SIZES = (1, 2, 3, 6)  # what six micro-batches can be shared by
BUDGET = Budget(micro_tokens=60, micro_records=5, micro_batches=6, max_tokens=20, pool=37)
Step = list[tuple[RecordBatch, ...]]


def stream(texts: Dataset, budget: Budget = BUDGET, world_size: int = 1, rank: int = 0) -> BudgetStream:
    columns = ("id", "tokens", "labels")
    return BudgetStream(texts, "train", budget, seed=3, world_size=world_size, rank=rank, columns=columns)


def step_of_all_ranks(texts: Dataset, state: StreamState, world_size: int, budget: Budget) -> tuple[Step, StreamState]:
    """Take the step from `state` on every rank; all agree on the state after it."""
    streams = [stream(texts, budget, world_size, rank) for rank in range(world_size)]
    ranks, states = zip(*(next(each.steps(state)) for each in streams), strict=True)
    assert len(set(states)) == 1
    assert {len(micro_batches) for micro_batches in ranks} == {budget.micro_batches // world_size}
    return list(ranks), states[0]


def ids(micro_batches: Iterable[RecordBatch]) -> list[str]:
    """Name the records that count."""
    return [
        name
        for batch in micro_batches
        for name, weight in zip(batch.table["id"].to_pylist(), batch.weights, strict=True)
        if weight
    ]


def epoch_in_runs(texts: Dataset, budget: Budget, runs: list[tuple[int, int]]) -> Iterator[list[str]]:
    """Go through one epoch, resuming with another (world size, steps) again and again, over JSON."""
    state = StreamState()
    for world_size, steps in cycle(runs):
        for _ in repeat(None, steps):
            ranks, state = step_of_all_ranks(texts, state, world_size, budget)
            yield ids(batch for micro_batches in ranks for batch in micro_batches)
            if state.epoch:
                assert state == StreamState(1, 0)
                return
            state = StreamState.from_json(json.loads(json.dumps(state.to_json())))


BUDGETS = st.builds(
    Budget,
    micro_tokens=st.integers(1, 150),
    micro_records=st.integers(1, 9),
    micro_batches=st.sampled_from([6, 12, 60]),
    max_tokens=st.integers(3, 30),
    pool=st.integers(1, 100),
)
RUNS = st.lists(st.tuples(st.sampled_from(WORLD_SIZES), st.integers(1, 3)), min_size=1, max_size=4)


@settings(max_examples=20)
@given(BUDGETS, RUNS)
def test_an_epoch_sees_every_record_once_however_it_is_stopped_and_resumed(
    texts: Dataset, budget: Budget, runs: list[tuple[int, int]]
) -> None:
    seen = [record for step in epoch_in_runs(texts, budget, runs) for record in step]
    assert sorted(seen, key=int) == [str(number) for number in range(NUM_RECORDS)]


@settings(max_examples=10)
@given(BUDGETS)
def test_a_step_reads_the_same_records_on_any_number_of_ranks(texts: Dataset, budget: Budget) -> None:
    _, state = step_of_all_ranks(texts, StreamState(), 1, budget)
    steps = [step_of_all_ranks(texts, state, world_size, budget) for world_size in WORLD_SIZES]
    names = [sorted(ids(batch for part in ranks for batch in part)) for ranks, _ in steps]
    assert all(step == names[0] for step in names)
    assert len({after for _, after in steps}) == 1


def test_a_stream_resumed_within_a_pool_goes_on_like_one_that_never_stopped(texts: Dataset) -> None:
    each = stream(texts, replace(BUDGET, micro_batches=2), world_size=2, rank=1)
    whole = list(islice(each.steps(StreamState()), 40))
    resumed = list(islice(each.steps(whole[7][1]), 32))
    assert whole[7][1].consumed % BUDGET.pool
    assert [state for _, state in resumed] == [state for _, state in whole[8:]]
    assert [ids(step) for step, _ in resumed] == [ids(step) for step, _ in whole[8:]]
    assert {batch.epoch for step, _ in whole for batch in step} >= {0, 1, 2}


def test_no_micro_batch_has_more_tokens_than_the_model_may_read(texts: Dataset) -> None:
    special = 2
    for step, state in stream(texts).steps(StreamState()):
        for batch in step:
            lengths = np.diff(batch.ragged("tokens")[1]) + special
            assert len(lengths) * lengths.clip(max=BUDGET.max_tokens).max() <= BUDGET.micro_tokens
        if state.epoch:
            break


def test_what_is_lacking_in_a_step_is_a_record_without_weight_tokens_or_labels(texts: Dataset) -> None:
    [*_, (step, _)] = islice(stream(texts, replace(BUDGET, micro_batches=60, pool=NUM_RECORDS)).steps(StreamState()), 1)
    batch = step[-1]
    assert (batch.weights.dtype, batch.weights.tolist()) == (np.float32, [0])
    for column in ("tokens", "labels"):
        values, offsets = batch.ragged(column)
        assert (values.tolist(), offsets.tolist()) == ([], [0, 0])
    assert len(step) == 60
    assert len(ids(step)) == NUM_RECORDS


def test_positions_name_the_same_records_as_in_batches_of_records(texts: Dataset) -> None:
    each = stream(texts)
    order = each._first_order
    step, _ = next(each.steps(StreamState()))
    for batch in step:
        rows = texts.split("train").take(order.rows(batch.positions), ["id"])
        assert rows["id"].to_pylist() == batch.table["id"].to_pylist()


@pytest.mark.parametrize(
    "change", [{"micro_tokens": 61}, {"micro_records": 4}, {"micro_batches": 12}, {"max_tokens": 21}, {"pool": 38}]
)
def test_a_state_under_another_budget_is_refused_with_both(texts: Dataset, change: dict[str, int]) -> None:
    now, saved = stream(texts).guards, stream(texts, replace(BUDGET, **change)).guards
    [(name, value)] = change.items()
    with pytest.raises(StreamMismatchError, match=rf"^stream budget = Budget\(.*saved state was .*{name}={value}"):
        now.check(StreamGuards.from_json(json.loads(json.dumps(saved.to_json()))))
    now.check(StreamGuards.from_json(json.loads(json.dumps(now.to_json()))))


def test_a_state_saved_before_there_were_budgets_belongs_to_batches_of_records(texts: Dataset) -> None:
    saved: dict[str, Any] = stream(texts).guards.to_json()
    del saved["budget"]
    old = StreamGuards.from_json(saved)
    assert old.budget is None
    with pytest.raises(StreamMismatchError, match=r"^stream budget = Budget\(.*was made with None"):
        stream(texts).guards.check(old)


def test_a_state_at_which_no_step_ends_is_refused(texts: Dataset) -> None:
    with pytest.raises(StreamMismatchError, match=r"^stream state: 1 records of a pool are consumed, and none of its"):
        next(stream(texts).steps(StreamState(0, BUDGET.pool + 1)))


def test_ranks_that_cannot_share_the_micro_batches_are_refused(texts: Dataset) -> None:
    with pytest.raises(DataError, match=r"^6 micro-batches a step: must be a multiple of the world size 4"):
        stream(texts, world_size=4)


def test_a_split_without_records_is_refused(
    tokenizer_folder: Path, tmp_path: Path, write_jsonl: Callable[[Iterable[Any]], Path]
) -> None:
    source = write_jsonl([{"id": "1", "split": "test", "text": "a", "labels": ["b"]}])
    manifest = convert(source, tmp_path / "shards", tokenizer_folder)
    empty = replace(Dataset.open(tmp_path / "shards"), manifest=replace(manifest, splits={"train": ()}))
    with pytest.raises(DataError, match=f"^split 'train' of {tmp_path / 'shards'}: has no records to learn from"):
        stream(empty)
