"""What a person sees of a run."""

import json
from functools import partial

import pytest
from rich.console import Console

from launcher.terminal import progress
from launcher.terminal.progress import TrainingBar, followed
from sharding import StreamState
from trainer.training.loop import Position
from trainer.training.step import StepCounts, StepReport


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
            positives=8,
            found=4,
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


def test_what_is_done_is_named_letter_by_letter(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "Console", partial(Console, force_terminal=True, width=120))
    what = "ranking [v2] [/note]"
    assert list(followed([1, 2], what)) == [1, 2]
    assert what in capsys.readouterr().err
    with progress.rounds() as show:
        show(1, 1, what)
    assert what in capsys.readouterr().err


def test_without_a_terminal_each_round_has_the_rate_of_its_own_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.rounds() as show:
        for what, seconds in (("counting labels", 9), ("encoding records", 25)):
            for done in range(seconds + 1):
                now += done > 0
                show(done * 100, 2500, what)
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [news["doing"] for news in said] == ["encoding records"] * 2
    assert [(news["per_second"], news["seconds_left"]) for news in said] == [(100, 15), (100, 5)]


def test_a_round_that_is_soon_over_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.rounds() as show:
        show(10, 10, "counting")
    assert capsys.readouterr().err == ""


def test_a_terminal_sees_a_bar_for_each_round(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "Console", partial(Console, force_terminal=True, width=120))
    with progress.rounds() as show:
        show(1, 4, "counting")
        show(4, 4, "counting")
        show(2, 2, "writing")
    shown = capsys.readouterr().err
    assert "counting" in shown
    assert "4/4" in shown
    assert "writing" in shown
