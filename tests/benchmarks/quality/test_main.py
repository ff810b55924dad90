"""The whole benchmark on an invented corpus, with runs of one and of three steps."""

import gzip
import json
import sys
from pathlib import Path

import pytest

from benchmarks.quality import __main__ as program
from benchmarks.quality import comparison, corpus

pytestmark = [pytest.mark.ranks, pytest.mark.nightly]

LABELS = 70


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write 120 records with one to four labels as `debtags`."""
    folder = tmp_path / "data"
    (folder / "debtags").mkdir(parents=True)
    with gzip.open(folder / "debtags" / "debtags.jsonl.gz", "wt", encoding="utf-8") as file:
        for number in range(120):
            labels = [f"label {(number * step) % LABELS}" for step in range(1, 2 + number % 4)]
            split = ("train", "train", "dev", "test")[number // 30]
            file.write(json.dumps({"id": number, "split": split, "text": f"about {labels}", "labels": labels}) + "\n")
    return folder


def test_all_tables_are_printed_and_what_is_there_is_not_done_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(corpus, "DATA", data)
    monkeypatch.setattr(comparison, "RATES", (1e-3,))
    words = ("--set", "debtags", "--steps", "3", "--seeds", "1", "--prior-weights", "1", "2")
    monkeypatch.setattr(sys, "argv", ["", *words, "--folder", str(tmp_path / "work")])
    program.main()
    first = capsys.readouterr().out
    assert first.count("trained in") == 3 + 4  # for the learning rates, then whole
    tables = first[first.index("debtags, ") :]
    rows = [line.split(" | ") for line in tables.splitlines() if line.startswith("|")]
    assert [len(row) for row in rows] == [2] * 5 + [9] * 15 + [6] * 5
    program.main()
    assert capsys.readouterr().out.strip() == tables.strip()
