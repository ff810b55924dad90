"""Records of .json files: arrays, tables by columns, one record each, and exports of annotation tools."""

import json
from pathlib import Path
from typing import Any

import pytest

from sharding import DataError, Record
from sharding.sources import SourceSettings, open_source
from tests.sharding.sources.reading import records

ROWS = [{"id": 1, "text": "a", "labels": ["x"]}, {"id": 2, "text": "b", "labels": ["x", "y"]}]
FOUND = [Record("1", "a", ("x",)), Record("2", "b", ("x", "y"))]


@pytest.mark.parametrize(
    "content",
    [ROWS, {"version": 1, "data": ROWS}, {name: {str(row["id"]): row[name] for row in ROWS} for name in ROWS[0]}],
)
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_a_file_may_hold_all_records_in_one_value(tmp_path: Path, content: Any, name: str) -> None:
    if name == "a.jsonl" and not isinstance(content, list):
        return
    (tmp_path / name).write_text(json.dumps(content, indent=1))
    assert records(tmp_path / name) == FOUND


def test_lines_may_be_called_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    assert records(tmp_path) == FOUND


def test_a_file_may_hold_one_record_and_lie_in_the_folder_of_its_split(tmp_path: Path) -> None:
    for split, row in zip(("train", "testing"), ROWS, strict=True):
        (tmp_path / split).mkdir()
        (tmp_path / split / f"{row['id']}.json").write_text(json.dumps(row))
    assert [record.split for record in records(tmp_path) if isinstance(record, Record)] == ["test", "train"]


def test_what_is_no_object_makes_no_record(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([ROWS[0], 7]))
    assert records(tmp_path) == [FOUND[0], "is 7: must be a JSON object"]
    (tmp_path / "a.json").write_text("[1, ")
    with pytest.raises(DataError, match=r"a\.json: is neither JSON nor JSON lines"):
        open_source([tmp_path / "a.json"], SourceSettings())


def test_an_export_of_label_studio(tmp_path: Path) -> None:
    def annotation(*labels: str, cancelled: bool = False) -> dict[str, Any]:
        return {"was_cancelled": cancelled, "result": [{"type": "choices", "value": {"choices": [*labels]}}]}

    tasks = [
        {"id": 1, "data": {"text": "a"}, "annotations": [annotation("x"), annotation("z", cancelled=True)]},
        {"id": 2, "data": {"text": "b"}, "annotations": [annotation("x", "y")]},
    ]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    assert records(tmp_path) == FOUND


def test_an_export_of_prodigy_without_what_was_not_accepted(tmp_path: Path) -> None:
    rows = [
        {"text": "a", "_input_hash": 1, "options": [], "accept": ["x"], "answer": "accept"},
        {"text": "b", "_input_hash": 2, "options": [], "accept": ["x"], "answer": "ignore"},
        {"text": "c", "_input_hash": 3, "label": "y", "answer": "accept"},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, second, third = records(tmp_path)
    assert second == "its answer is ignore"
    assert [record.labels for record in (first, third) if isinstance(record, Record)] == [("x",), ("y",)]
