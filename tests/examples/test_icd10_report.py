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


def printed(evaluation: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(report.table(evaluation))
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue] - it is the StringIO above


def row(text: str, title: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if title in line]
    return line.replace(title, "").split()


def test_the_table_shows_percent_beside_the_known_figures() -> None:
    text = printed({"records": 9806, "scan": SCAN, "scan+cloze": SCAN | {"P@1": 0.72}})
    assert "9,806 test records" in text
    assert row(text, "scan alone") == ["70.1", "60.0", "50.0", "65.0", "10.0", "90.0"]
    assert row(text, "scan + cloze")[0] == "72.0"
    assert row(text, "frequency dummy") == ["55.9", "25.1", "17.6"]
    assert row(text, "XR-Linear, full epoch") == ["98.3", "96.4", "87.9", "18.4", "38.6", "74.0"]
    assert row(text, "ceiling") == ["90.7"]


def test_a_run_without_the_cloze_has_no_row_for_it() -> None:
    assert "cloze" not in printed({"records": 10, "scan": SCAN})


def test_a_figure_that_could_not_be_measured_is_left_out() -> None:
    text = printed({"records": 10, "scan": SCAN | {"P@3": None, "threshold": None}})
    assert row(text, "scan alone") == ["70.1", "50.0", "65.0", "10.0", "90.0"]


def test_a_step_that_was_done_again_counts_with_its_later_value() -> None:
    steps, losses = report.series(EVENTS, "step", "loss", "scan")
    assert steps == [1, 2]
    assert losses == pytest.approx([8.0, float("nan")], nan_ok=True)


def test_every_term_and_both_rankings_are_drawn() -> None:
    figure, (left, right) = plt.subplots(1, 2)
    report.draw_losses(left, EVENTS)
    report.draw_precision(right, EVENTS)
    assert [line.get_label() for line in left.lines] == ["total", "scan", "cloze", "mlm"]
    assert [line.get_label() for line in right.lines] == ["scan alone", "scan + cloze", "ceiling", "frequency dummy"]
    assert list(right.lines[1].get_ydata()) == [30]
    plt.close(figure)


def test_a_run_folder_becomes_a_table_and_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in EVENTS), encoding="utf-8")
    (tmp_path / "evaluation.json").write_text(json.dumps({"records": 10, "scan": SCAN}), encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["report.py", str(tmp_path)])
    report.main()
    assert "scan alone" in capsys.readouterr().out
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
