"""When a run saves, what it costs, and what is told of it: with a real store, and steps that do nothing."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from sharding import StreamState
from tests.trainer.checkpoint.test_store import GUARDS
from tests.trainer.components import tiny_config
from trainer.checkpoint import CheckpointFolder, CheckpointStore
from trainer.checkpoint.storage import Files
from trainer.distributed import ONE_RANK
from trainer.errors import CheckpointError
from trainer.telemetry import EventLog, Telemetry
from trainer.training.callbacks.checkpointing import CheckpointCallback
from trainer.training.loop import Position

WRITING = 0.3  # seconds


@dataclass(frozen=True)
class SlowFolder(CheckpointFolder):
    """A disk that takes its time."""

    def write(self, step: int, number: int, rank: int, files: Files) -> None:
        time.sleep(WRITING)
        super().write(step, number, rank, files)


class State:
    """Stands for the state of a run, which takes a run to have: one tensor."""

    ranks = ONE_RANK

    def files(self, *, snapshot: bool) -> dict[str, dict[str, Tensor]]:
        return {"dense.safetensors": {"x": torch.zeros(3)}}


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = Telemetry.serve(None, is_first_rank=True)
    yield telemetry
    telemetry.close()


def callback(folder: CheckpointFolder, telemetry: Telemetry, said: StringIO, *, background: bool) -> CheckpointCallback:
    state: Any = State()
    config = tiny_config(Path("data"), Path("encoder"), checkpoint={"every_steps": 2, "background": background})
    events = EventLog(None, said, run_id="tiny", rank=0)
    return CheckpointCallback(CheckpointStore(folder), state, GUARDS, config, telemetry, events, 0)


def after(callback: CheckpointCallback, step: int) -> None:
    report: Any = SimpleNamespace()
    callback.after_step(Position(step, StreamState(0, step)), report, 0.1)


def go_on(callback: CheckpointCallback) -> None:
    """Take steps until no save is under way."""
    while callback.under_way:
        after(callback, 3)
        time.sleep(0.01)


def blocked(telemetry: Telemetry) -> float:
    return telemetry._instruments.counters["checkpoint_blocked_seconds_total"]._value.get()


def succeeded(telemetry: Telemetry) -> float:
    return telemetry._instruments.gauges["checkpoint_last_success_timestamp_seconds"]._value.get()


def test_a_save_in_the_background_costs_less_than_it_takes_and_is_told_of_when_it_is_published(
    tmp_path: Path, telemetry: Telemetry
) -> None:
    said = StringIO()
    saving = callback(SlowFolder(tmp_path), telemetry, said, background=True)
    started = time.monotonic()
    after(saving, 1)
    after(saving, 2)
    assert (succeeded(telemetry), said.getvalue()) == (0, "")
    go_on(saving)
    assert saving.store.place.steps() == [2]
    assert blocked(telemetry) < time.monotonic() - started - WRITING / 2
    assert succeeded(telemetry) == pytest.approx(time.time(), abs=10)
    assert telemetry._instruments.gauges["checkpoint_duration_seconds"]._value.get() > WRITING
    assert '"event": "checkpoint", "step": 2, ' in said.getvalue()
    phases = telemetry._instruments.counters["phase_seconds_total"]
    assert phases.labels("checkpoint")._value.get() == pytest.approx(blocked(telemetry), abs=0.01)


def test_a_run_that_ends_waits_for_the_save_under_way_and_makes_the_last_one(
    tmp_path: Path, telemetry: Telemetry
) -> None:
    saving = callback(SlowFolder(tmp_path), telemetry, StringIO(), background=True)
    after(saving, 2)
    saving.at_end(Position(3, StreamState(0, 3)))
    assert saving.store.place.steps() == [2, 3]
    assert blocked(telemetry) > WRITING


def test_the_last_step_is_saved_once(tmp_path: Path, telemetry: Telemetry) -> None:
    said = StringIO()
    saving = callback(SlowFolder(tmp_path), telemetry, said, background=True)
    after(saving, 2)
    saving.at_end(Position(2, StreamState(0, 2)))
    assert saving.store.place.steps() == [2]
    assert said.getvalue().count('"event": "checkpoint"') == 1


def test_without_a_background_training_waits_for_the_save(tmp_path: Path, telemetry: Telemetry) -> None:
    saving = callback(SlowFolder(tmp_path), telemetry, StringIO(), background=False)
    after(saving, 2)
    assert saving.store.place.steps() == [2]
    assert blocked(telemetry) > WRITING


def test_a_save_that_fails_ends_the_run_after_the_next_step(tmp_path: Path, telemetry: Telemetry) -> None:
    (tmp_path / "file").touch()  # where the folder should be
    saving = callback(SlowFolder(tmp_path / "file"), telemetry, StringIO(), background=True)
    after(saving, 2)
    with pytest.raises(CheckpointError, match=r"writing the checkpoint failed: .*; earlier ones stand"):
        go_on(saving)
    assert succeeded(telemetry) == 0
