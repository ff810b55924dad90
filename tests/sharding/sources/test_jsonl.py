"""Records of JSON-lines files."""

from pathlib import Path

import pytest

from sharding import BadRecordError, Record, Rejections, read_records

LINES = b'{"id": "1", "text": "a", "labels": ["x"]}\n{"id": "2"}\n{"id": "3", "text": "b", "labels": []}\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "icd10.jsonl"
    path.write_bytes(LINES)
    return path


def test_a_bad_record_is_named_by_file_and_line(source: Path) -> None:
    with pytest.raises(BadRecordError, match=r"^icd10.jsonl:2: 'text' is missing: must be a string$"):
        list(read_records(source, Rejections("raise")))


def test_bad_records_can_be_skipped_and_counted(source: Path) -> None:
    rejections = Rejections("skip")
    assert list(read_records(source, rejections)) == [
        ("icd10.jsonl:1", Record("1", "a", ("x",))),
        ("icd10.jsonl:3", Record("3", "b", ())),
    ]
    assert rejections.count == 1
