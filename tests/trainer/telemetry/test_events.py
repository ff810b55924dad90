"""The event log is read back as JSON lines."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

from trainer.telemetry import EventLog


def reject(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def test_an_event_carries_time_run_and_rank(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path, None, run_id="r1", rank=3)
    log.write("step", step=7, loss={"scan": 1.5})
    log.close()
    event = json.loads(path.read_text(encoding="utf-8"))
    assert abs((datetime.now(UTC) - datetime.fromisoformat(event.pop("time"))).total_seconds()) < 60
    assert event == {"run_id": "r1", "rank": 3, "event": "step", "step": 7, "loss": {"scan": 1.5}}


def test_each_event_can_be_read_while_the_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path, None, run_id="r1", rank=0)
    for step in (1, 2):
        log.write("step", step=step)
        assert len(path.read_text(encoding="utf-8").splitlines()) == step
    log.close()


def test_a_second_start_of_the_run_appends(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for _ in range(2):
        log = EventLog(path, None, run_id="r1", rank=0)
        log.write("start")
        log.close()
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2


def test_numbers_that_are_not_finite_become_strings_at_any_depth() -> None:
    stream = io.StringIO()
    EventLog(None, stream, run_id="r1", rank=0).write(
        "step", loss={"scan": float("nan"), "total": [float("inf"), -float("inf"), 1.0]}, norm=(float("nan"),)
    )
    event = json.loads(stream.getvalue(), parse_constant=reject)
    assert event["loss"] == {"scan": "NaN", "total": ["Infinity", "-Infinity", 1.0]}
    assert event["norm"] == ["NaN"]


def test_the_stream_shows_the_lines_of_the_file_and_stays_open(tmp_path: Path) -> None:
    path, stream = tmp_path / "events.jsonl", io.StringIO()
    log = EventLog(path, stream, run_id="r1", rank=0)
    log.write("start", text="größer")
    log.close()
    assert stream.getvalue() == path.read_text(encoding="utf-8")
    assert not stream.closed
