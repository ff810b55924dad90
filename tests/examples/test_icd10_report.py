"""The report on a made-up run."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib", reason="the demo extra is not installed")

from matplotlib import pyplot as plt
from rich.console import Console

from examples.icd10 import report

SCAN = {"P@1": 0.701, "P@3": 0.6, "P@5": 0.5, "nDCG@1": 0.7, "nDCG@5": 0.65, "PSP@1": 0.1, "recall@K": 0.9}
EVENTS: list[report.Event] = [
    {"event": "start"},
    {"event": "step", "step": 1, "loss": {"scan": 9.0, "cloze": 3.0, "mlm": 4.0, "total": 12.2}},
    {"event": "evaluation", "step": 1, "scan": {"P@5": 0.25}, "scan+cloze": {"P@5": 0.3}},
    {"event": "step", "step": 2, "loss": {"scan": "NaN", "cloze": 2.0, "mlm": 4.0, "total": "NaN"}},
    {"event": "step", "step": 1, "loss": {"scan": 8.0, "cloze": 3.0, "mlm": 4.0, "total": 11.2}},
]


GIVEN = [
    {"given": 0, "records": 1234, "precision": 0.7, "recalls": [0.5, 0.6], "micro_f1": 0.4},
    {"given": 1, "records": 1234, "precision": 0.8, "recalls": [0.61, 0.7], "micro_f1": 0.45},
]


def printed(evaluation: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(report.table(evaluation), report.given_table(evaluation) or "")
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue] - it is the StringIO above


def row(text: str, title: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if title in line]
    return line.replace(title, "").split()


def test_the_table_shows_percent_beside_the_known_figures() -> None:
    text = printed({"records": 9806, "scan": SCAN, "refined": SCAN | {"P@1": 0.71}, "fused": SCAN | {"P@1": 0.72}})
    assert "9,806 test records" in text
    assert row(text, "text alone") == ["70.1", "60.0", "50.0", "65.0", "10.0", "90.0"]
    assert (row(text, "refined")[0], row(text, "fused")[0]) == ("71.0", "72.0")
    assert row(text, "frequency dummy") == ["55.9", "25.1", "17.6"]
    assert row(text, "XR-Linear, full epoch") == ["98.3", "96.4", "87.9", "18.4", "38.6", "74.0"]
    assert row(text, "ceiling") == ["90.7"]


def test_a_ranking_that_a_run_does_not_have_has_no_row() -> None:
    assert "with slots" in printed({"records": 10, "scan": SCAN, "scan+cloze": SCAN})
    text = printed({"records": 10, "scan": SCAN})
    assert not any(title in text for title in ("refined", "with slots", "fused", "known"))


def test_what_a_known_label_is_worth_has_a_table_of_its_own() -> None:
    text = printed({"records": 2000, "scan": SCAN, "given": GIVEN})
    assert "1,234 records" in text
    assert row(text, " 0 ") == ["70.0", "50.0", "40.0"]
    assert row(text, " 1 ") == ["80.0", "61.0", "45.0"]


def test_a_figure_that_could_not_be_measured_is_left_out() -> None:
    text = printed({"records": 10, "scan": SCAN | {"P@3": None, "threshold": None}})
    assert row(text, "text alone") == ["70.1", "50.0", "65.0", "10.0", "90.0"]


def test_a_step_that_was_done_again_counts_with_its_later_value() -> None:
    steps, losses = report.series(EVENTS, "step", "loss", "scan")
    assert steps == [1, 2]
    assert losses == pytest.approx([8.0, float("nan")], nan_ok=True)


def test_every_term_and_every_ranking_is_drawn() -> None:
    figure, (left, right) = plt.subplots(1, 2)
    report.draw_losses(left, EVENTS)
    report.draw_precision(right, EVENTS)
    assert [line.get_label() for line in left.lines] == ["total", "scan", "cloze", "mlm"]
    assert [line.get_label() for line in right.lines] == ["text alone", "with slots", "ceiling", "frequency dummy"]
    assert list(right.lines[1].get_ydata()) == [30]
    plt.close(figure)


def test_a_term_that_is_always_zero_is_not_drawn() -> None:
    figure, axes = plt.subplots()
    report.draw_losses(axes, [event | {"loss": event["loss"] | {"cloze": 0.0}} for event in EVENTS if "loss" in event])
    assert [line.get_label() for line in axes.lines] == ["total", "scan", "mlm"]
    plt.close(figure)


def test_a_run_folder_becomes_a_table_and_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in EVENTS), encoding="utf-8")
    judged = {"records": 10, "scan": SCAN, "given": GIVEN}
    (tmp_path / "evaluation.json").write_text(json.dumps(judged), encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["report.py", str(tmp_path)])
    report.main()
    said = capsys.readouterr().out
    assert "text alone" in said
    assert "labels known" in said
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
