"""`lmmtc evaluate` where there is nothing to find: what has no number is null, and the file stays JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

from sharding import convert
from tests.launcher.conftest import Lmmtc

pytestmark = pytest.mark.ranks


def judged(lmmtc: Lmmtc, trained: Path, tokenizer: Path, folder: Path, test_labels: list[str]) -> dict[str, Any]:
    """Judge one test record; no dev record, by which the threshold is chosen, has a label."""
    records = [
        {"id": split, "text": "topic 3", "labels": test_labels if split == "test" else [], "split": split}
        for split in ("dev", "test")
    ]
    (folder / "bare.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    convert(folder / "bare.jsonl", folder / "shards", tokenizer, vocabulary=trained / "model" / "labels.arrow")
    said = lmmtc("evaluate", trained, "--dataset", folder / "shards")
    assert said.code == 0, said.err
    return json.loads((trained / "evaluation.json").read_text(), parse_constant=not_json)


def not_json(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def test_a_threshold_that_nothing_should_reach_is_null(
    lmmtc: Lmmtc, trained: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    written = judged(lmmtc, trained, tokenizer_folder, tmp_path, ["label 3"])
    assert written["scan+cloze"]["threshold"] is None
    assert written["scan+cloze"]["micro-F1"] == 0
    assert 0 <= written["scan+cloze"]["P@1"] <= 1


def test_a_mean_over_no_record_is_null(lmmtc: Lmmtc, trained: Path, tokenizer_folder: Path, tmp_path: Path) -> None:
    written = judged(lmmtc, trained, tokenizer_folder, tmp_path, [])
    assert written["scan+cloze"]["P@1"] is None
    assert written["scan+cloze"]["subset accuracy"] == 1
