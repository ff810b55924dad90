"""What a run knows of its earlier lives, from logs that a real EventLog has written."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.telemetry import EventLog, RunHistory

LATER = datetime.now(UTC).timestamp() + 3600


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def live(path: Path, start: int, stop: int, restarts: int = 0, seconds: float = 1.0) -> None:
    """Write what one life of a run writes: a start, steps, and no end."""
    log = EventLog(path, None, run_id="run", rank=0)
    log.write("label_texts", done=1, total=2)
    log.write("start", step=start, world_size=2, restarts=restarts)
    for step in range(start + 1, stop + 1):
        log.write("step", step=step, seconds=2 * seconds, productive_seconds=seconds)
    log.close()


def test_a_run_without_a_log_or_with_one_that_no_start_is_in_has_no_past(path: Path) -> None:
    assert RunHistory.read(path, 0, LATER) == RunHistory(0, 0.0, None)
    path.touch()
    assert RunHistory.read(path, 0, LATER) == RunHistory(0, 0.0, None)
    log = EventLog(path, None, run_id="run", rank=0)
    log.write("label_texts", done=1, total=2)
    log.close()
    assert RunHistory.read(path, 0, LATER) == RunHistory(0, 0.0, None)


def test_steps_behind_the_checkpoint_are_lost_without_their_wait_for_data(path: Path) -> None:
    live(path, 0, 10)
    past = RunHistory.read(path, 6, LATER)
    assert (past.restarts, past.lost_seconds) == (1, 4.0)


def test_a_run_that_goes_on_where_it_stopped_has_lost_nothing(path: Path) -> None:
    live(path, 0, 10)
    assert RunHistory.read(path, 10, LATER).lost_seconds == 0


def test_what_an_earlier_start_has_lost_is_not_lost_again(path: Path) -> None:
    live(path, 0, 10)
    live(path, 6, 8, restarts=1, seconds=100.0)
    past = RunHistory.read(path, 6, LATER)
    assert (past.restarts, past.lost_seconds) == (2, 200.0)


def test_an_older_checkpoint_than_the_last_start_had_loses_steps_of_both_lives(path: Path) -> None:
    live(path, 0, 10)
    live(path, 6, 8, restarts=1, seconds=100.0)
    assert RunHistory.read(path, 4, LATER).lost_seconds == 202.0


def test_a_skipped_step_is_not_lost_twice(path: Path) -> None:
    live(path, 0, 2)
    log = EventLog(path, None, run_id="run", rank=0)
    log.write("skipped_step", step=3, seconds=9.0, productive_seconds=9.0)
    log.close()
    assert RunHistory.read(path, 0, LATER).lost_seconds == 2.0


def test_the_last_event_before_the_process_is_when_the_run_was_last_seen(path: Path) -> None:
    live(path, 0, 1)
    before = datetime.now(UTC).timestamp()
    live(path, 1, 2, restarts=1)
    times = [datetime.fromisoformat(json.loads(line)["time"]).timestamp() for line in path.read_text().splitlines()]
    assert RunHistory.read(path, 1, before).last_seen == times[2]
    assert RunHistory.read(path, 1, times[0]).last_seen is None


@pytest.mark.parametrize(
    "line",
    [
        '{"time": "2024-05-01T00:00:00+00:00", "run_i',  # cut off
        "[1, 2]\n",
        '{"event": "step", "time": "noon", "step": 9, "productive_seconds": 5}\n',
        '{"event": "step", "time": "2024-05-01T00:00:00+00:00", "step": null}\n',
    ],
)
def test_a_line_that_is_no_event_is_passed_over(path: Path, line: str) -> None:
    live(path, 0, 5)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:-1], line]))
    past = RunHistory.read(path, 2, LATER)
    assert (past.restarts, past.lost_seconds) == (1, 2.0)


def test_a_start_that_a_kill_has_cut_off_does_not_hide_the_one_before(path: Path) -> None:
    live(path, 0, 5)
    with path.open("a") as log:
        log.write('{"time": "2024-05-01T00:00:00+00:00", "event": "start"')
    assert RunHistory.read(path, 5, LATER).restarts == 1


@given(lives=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=6))
def test_all_that_is_lost_is_all_that_was_done_but_the_steps_that_count(
    tmp_path_factory: pytest.TempPathFactory, lives: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.mktemp("lives") / "events.jsonl"
    lost, reached, done = 0.0, 0, 0
    for restarts, (checkpoint, steps) in enumerate(lives):
        start = min(checkpoint, reached)
        past = RunHistory.read(path, start, LATER)
        assert past.restarts == restarts
        lost += past.lost_seconds
        live(path, start, start + steps, restarts)
        reached, done = start + steps, done + steps
    assert lost == done - reached
