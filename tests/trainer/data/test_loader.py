"""Whole steps, prepared ahead: what they hold, and what state they leave."""

from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from threading import Event, Semaphore, Timer
from time import monotonic, sleep
from types import SimpleNamespace

import pytest
import torch

from sharding import Dataset, RecordBatch, StreamState, TrainStream
from trainer.data import Collator, Loader, StepData, TextBatch

ACCUMULATION = 4


@pytest.fixture(scope="module")
def loader(tiny_dataset: Path) -> Loader:
    """Rank 1 of 2, eight of sixteen records a step."""
    dataset = Dataset.open(tiny_dataset)
    stream = TrainStream(dataset, "train", seed=3, global_batch=16, world_size=2, rank=1, accumulation=ACCUMULATION)
    collate = Collator(dataset.manifest.tokenizer, len(dataset.vocabulary), 16)
    return Loader(stream, collate, torch.device("cpu"))


def assert_equal(one: TextBatch, other: TextBatch) -> None:
    for field in fields(TextBatch):
        assert torch.equal(getattr(one, field.name), getattr(other, field.name)), field.name


def test_micro_batches_are_the_ranks_records_in_order(loader: Loader) -> None:
    assert isinstance(loader.stream, TrainStream)
    steps = zip(loader.steps(StreamState()), loader.stream.batches(StreamState()), strict=True)
    for data, (records, state) in islice(steps, 3):
        assert data.state == state
        assert len(data.micro_batches) == ACCUMULATION
        for number, batch in enumerate(data.micro_batches):
            assert_equal(batch, loader.collate(records.slice(2 * number, 2 * number + 2), 1))


def test_a_state_leads_to_the_step_behind_it_whatever_was_prepared_ahead(loader: Loader) -> None:
    def take(state: StreamState, count: int) -> list[StepData]:
        return list(islice(loader.steps(state), count))

    uninterrupted = take(StreamState(), 4)
    resumed = take(uninterrupted[1].state, 2)
    assert [data.state for data in resumed] == [data.state for data in uninterrupted[2:]]
    for one, other in zip(resumed, uninterrupted[2:], strict=True):
        for batch, same in zip(one.micro_batches, other.micro_batches, strict=True):
            assert_equal(batch, same)


def test_a_failure_while_preparing_reaches_the_caller(loader: Loader) -> None:
    def fail(_records: object, _step: int) -> TextBatch:
        raise OSError("the disk is gone")

    broken = Loader(loader.stream, fail, loader.device)
    with pytest.raises(OSError, match="the disk is gone"):
        next(broken.steps(StreamState()))


def test_a_stream_that_waits_for_its_shards_is_told_of_the_end_before_it_is_waited_for(loader: Loader) -> None:
    ended = Event()
    told_in_time = []

    def steps(state: StreamState) -> Iterator[tuple[tuple[RecordBatch, ...], StreamState]]:
        yield next(loader.stream.steps(state))
        told_in_time.append(ended.wait(60))

    stream = SimpleNamespace(guards=loader.stream.guards, steps=steps)
    source = replace(loader, stream=stream, end=ended.set).steps(StreamState())
    next(source)
    source.close()
    assert told_in_time == [True]


def test_a_step_that_is_asked_for_too_early_did_not_stand_ready(loader: Loader) -> None:
    told: list[int] = []
    may_go_on = Semaphore(ACCUMULATION)

    def collate(records: RecordBatch, step: int) -> TextBatch:
        may_go_on.acquire(timeout=60)
        return loader.collate(records, step)

    source = replace(loader, collate=collate, ready=told.append).steps(StreamState())
    next(source)  # the second step waits for its first micro-batch
    Timer(0.5, may_go_on.release, [2 * ACCUMULATION]).start()  # the third is begun with the second
    next(source)
    assert told[1] == 0


def test_a_step_that_was_prepared_while_another_trained_stood_ready(loader: Loader) -> None:
    told: list[int] = []
    source = replace(loader, ready=told.append).steps(StreamState())
    next(source)
    deadline = monotonic() + 60
    while told[-1] == 0 and monotonic() < deadline:
        sleep(0.2)  # as long as a step takes
        next(source)
    assert told[-1] == 1
