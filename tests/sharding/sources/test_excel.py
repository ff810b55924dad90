"""Records of Excel workbooks."""

from pathlib import Path
from typing import Any

import pytest

from sharding import DataError, Record
from sharding.sources import SourceSettings, open_source
from tests.sharding.sources.reading import records

openpyxl = pytest.importorskip("openpyxl")


def workbook(path: Path, *sheets: list[list[Any]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(f"sheet {number}")
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


ROWS = [
    [" ID ", "text", "labels", None],
    [1, "a", "x; y", None],
    [2, "b", None, None],
    [None, None, None, None],
    [3, None, "x"],
]


def test_a_sheet_is_a_table(tmp_path: Path) -> None:
    path = workbook(tmp_path / "train.xlsx", ROWS, [])
    assert records(path, SourceSettings(label_separator=";", id_field="ID")) == [
        Record("1", "a", ("x", "y"), "train"),
        Record("2", "b", (), "train"),
        "has no text",
    ]


def test_several_sheets_are_refused_by_name(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", ROWS, ROWS)
    with pytest.raises(DataError, match="has 2 sheets that hold something, sheet 0, sheet 1: save the one"):
        open_source([path], SourceSettings())


def test_what_is_no_workbook_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"junk")
    with pytest.raises(DataError, match=r"a\.xlsx: cannot be read"):
        open_source([tmp_path / "a.xlsx"], SourceSettings())
