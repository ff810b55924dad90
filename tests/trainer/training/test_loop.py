"""The loop: how it ends, and that a stop costs nothing."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from sharding import Kind, StreamState
from tests.rewriting import rewrite
from tests.trainer.components import tiny_config
from trainer.config import Config
from trainer.data import StepData
from trainer.distributed import Ranks
from trainer.errors import NonFiniteError
from trainer.telemetry import EventLog, Telemetry
from trainer.training.build import build_run
from trainer.training.loop import Outcome, Position, TrainingLoop
from trainer.training.step import StepReport

STEPS = 6


@dataclass
class Recorder:
    """A callback that remembers the positions it was told."""

    after: list[Position] = field(default_factory=list)
    ends: list[Position] = field(default_factory=list)

    def after_step(self, position: Position, report: StepReport, seconds: float) -> None:
        self.after.append(position)

    def at_end(self, position: Position) -> None:
        self.ends.append(position)


def position(step: int) -> Position:
    return Position(step, StreamState(0, 10 * step))


def loop(callback: Recorder, applied: Callable[[int], bool] = lambda _: True, stops_at: int = 0) -> TrainingLoop:
    """Build a loop whose steps do nothing: `applied` says which succeed, at `stops_at` some rank was asked to stop."""

    def step(number: int, _batches: Any, *, stop: bool) -> Any:
        stops = int(stop or number == stops_at)
        return SimpleNamespace(step=number, applied=applied(number), counts=SimpleNamespace(stops=stops))

    def steps(state: StreamState, _done: int) -> Iterator[StepData]:
        for number in count(state.consumed // 10 + 1):
            yield StepData((), position(number).stream)

    train = SimpleNamespace(steps=STEPS, nonfinite_limit=2)
    step.config, step.clock = SimpleNamespace(train=train), lambda _: nullcontext()  # type: ignore[attr-defined]
    return TrainingLoop(step, SimpleNamespace(steps=steps), [callback], lambda: False)  # type: ignore[arg-type]


def test_a_loop_runs_from_its_position_to_the_last_step() -> None:
    callback = Recorder()
    assert loop(callback).run(position(2)) is Outcome.DONE
    assert callback.after == [position(3), position(4), position(5), position(6)]
    assert callback.ends == [position(6)]


@pytest.mark.parametrize("applied", [True, False])
def test_however_a_loop_ends_it_tells_its_source_at_once(applied: bool) -> None:  # noqa: FBT001  # of each step
    ended = []

    def steps(state: StreamState, _done: int) -> Iterator[StepData]:
        try:
            for number in count(1):
                yield StepData((), position(number).stream)
        finally:
            ended.append(state)

    training = loop(Recorder(), applied=lambda _: applied)
    with nullcontext() if applied else pytest.raises(NonFiniteError) as caught:
        replace(training, loader=SimpleNamespace(steps=steps)).run(position(0))
    assert ended == [position(0).stream]
    del caught  # until here its traceback keeps the source


def test_a_finished_run_does_no_step() -> None:
    callback = Recorder()
    assert loop(callback).run(position(STEPS)) is Outcome.DONE
    assert (callback.after, callback.ends) == ([], [position(STEPS)])


def test_a_stop_that_any_rank_was_asked_for_ends_the_loop_after_the_step() -> None:
    callback = Recorder()
    assert loop(callback, stops_at=4).run(position(0)) is Outcome.STOPPED
    assert callback.ends == [position(4)]


def test_skipped_steps_in_a_row_end_the_run_with_nothing_saved() -> None:
    callback = Recorder()
    with pytest.raises(NonFiniteError) as caught:
        loop(callback, applied=lambda step: step not in (3, 4)).run(position(0))
    assert str(caught.value).startswith(
        "step 4: 2 steps in a row had a loss or a gradient that is not finite (train.nonfinite_limit = 2); "
    )
    assert callback.ends == []


def test_skipped_steps_that_are_not_in_a_row_do_not() -> None:
    assert loop(Recorder(), applied=lambda step: step % 2 == 0).run(position(0)) is Outcome.DONE


def run(ranks: Ranks, config: Config, stop_at: int) -> tuple[str, int]:
    """Train as the launcher does; the last rank alone is asked to stop in its step number `stop_at`."""
    calls = count(1)
    telemetry = Telemetry.serve(None, is_first_rank=ranks.is_first)
    events = EventLog(None, None, run_id="tiny", rank=ranks.rank)
    asked = ranks.rank == ranks.world_size - 1
    training = build_run(config, ranks, telemetry, events, lambda: asked and next(calls) == stop_at)
    return training.loop.run(training.position).value, training.position.step


def with_dropout(encoder: Path, folder: Path) -> Path:
    """Copy an encoder whose training needs the random state of its checkpoint."""
    shutil.copytree(encoder, folder)
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"hidden_dropout_prob": 0.0', '"hidden_dropout_prob": 0.1'))
    return folder


def threads_after_a_run(ranks: Ranks, config: Config) -> list[str]:
    """Train on shards that are fetched, and name the threads that are left."""
    run(ranks, config, stop_at=2)
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("loader", "prefetch"))]


@pytest.mark.ranks
def test_a_run_that_has_ended_fetches_nothing_more(
    on_ranks: Callable[..., list[Any]], tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    data = {"dataset": tiny_dataset.as_uri(), "cache": tmp_path / "cache"}
    config = tiny_config(tiny_dataset, tiny_encoder, tmp_path / "run", data=data)
    assert on_ranks(threads_after_a_run, 1, config) == [[]]


@pytest.mark.ranks
@pytest.mark.parametrize(
    "batches",
    [
        pytest.param({"micro_batch": 4}, id="records"),
        pytest.param({"micro_batch": 4, "micro_tokens": 60}, id="budgets of tokens", marks=pytest.mark.nightly),
    ],
)
def test_a_stopped_and_resumed_run_ends_where_an_uninterrupted_one_does(
    on_ranks: Callable[..., list[Any]],
    tiny_dataset: Path,
    tiny_encoder: Path,
    tmp_path: Path,
    batches: dict[str, int],
) -> None:
    encoder = with_dropout(tiny_encoder, tmp_path / "encoder")

    def config(name: str) -> Config:
        # Eleven steps of 16 records pass the end of an epoch of 160. With budgets, all is one pool.
        train = {"steps": 11, "zero_stage": 2} | batches
        evaluation = {"every_steps": 4, "records": 10, "batch": 4}
        return tiny_config(tiny_dataset, encoder, tmp_path / name, train=train, evaluation=evaluation)

    assert on_ranks(run, 2, config("whole"), 0) == [("done", 0)] * 2
    assert on_ranks(run, 2, config("parts"), 3) == [("stopped", 0)] * 2
    assert on_ranks(run, 2, config("parts"), 5) == [("stopped", 3)] * 2
    assert on_ranks(run, 2, config("parts"), 0) == [("done", 8)] * 2
    check_same_state(*(tmp_path / name / "checkpoints/step-00000011" for name in ("whole", "parts")))


@pytest.mark.ranks
def test_a_run_may_go_on_from_another_format_of_its_data_set(
    on_ranks: Callable[..., list[Any]], tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    both = rewrite(tiny_dataset, tmp_path / "both", "arrow", "webdataset")

    def config(name: str, kind: Kind | None = None) -> Config:
        return tiny_config(both, tiny_encoder, tmp_path / name, data={"format": kind}, train={"steps": 4})

    assert on_ranks(run, 1, config("whole"), 0) == [("done", 0)]
    assert on_ranks(run, 1, config("parts"), 2) == [("stopped", 0)]
    assert on_ranks(run, 1, config("parts", "webdataset"), 0) == [("done", 2)]
    check_same_state(*(tmp_path / name / "checkpoints/step-00000004" for name in ("whole", "parts")))


def check_same_state(whole: Path, parts: Path) -> None:
    """Compare two checkpoints to the bit."""
    ones, others = sorted(whole.iterdir()), sorted(parts.iterdir())
    assert [path.name for path in ones] == [path.name for path in others]
    for one, other in zip(ones, others, strict=True):
        if one.suffix == ".safetensors":
            wanted, found = load_file(one), load_file(other)
            for name, array in wanted.items():
                np.testing.assert_array_equal(found[name], array, err_msg=f"{one.name}: {name}")
