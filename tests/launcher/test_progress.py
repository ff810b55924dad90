"""What a person sees of a run."""

import pytest

from launcher.progress import TrainingBar, followed
from sharding import StreamState
from trainer.loop import Position
from trainer.step import StepCounts, StepReport


def test_the_bar_ends_with_the_last_numbers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    bar = TrainingBar(40)
    for step in (1, 2):
        report = StepReport(
            step=step,
            applied=True,
            counts=StepCounts(records=64, masked_tokens=9, tokens=900, stops=0),
            slots=64,
            losses={"scan": 8.0 / step, "total": 12.0},
            shortlist_recall=0.5,
            gradient_norm=1.0,
            lr=1e-3,
            rows_lr=1e-3,
        )
        bar.after_step(Position(step, StreamState()), report, seconds=0.5)
    bar.at_end(Position(2, StreamState()))
    shown = capsys.readouterr().out
    assert "2/40 scan 4  total 12  128 records/s" in shown


def test_following_changes_nothing_and_says_nothing_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(followed(iter("abc"), "reading")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")
