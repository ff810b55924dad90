"""Lines of plain and compressed files."""

import gzip
from codecs import BOM_UTF8
from collections.abc import Callable
from pathlib import Path

import pytest

from sharding import DataError
from sharding.sources import read_lines
from sharding.sources.lines import lines_at

CONTENT = b"one\r\n\ntwo\t\nthree"
LINES = [("f:1", b"one"), ("f:3", b"two\t"), ("f:4", b"three")]


def test_lines_know_their_number_and_empty_ones_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    assert list(read_lines(tmp_path / "f")) == LINES


def test_a_gz_file_reads_like_a_plain_one(tmp_path: Path) -> None:
    (tmp_path / "f.gz").write_bytes(gzip.compress(CONTENT))
    assert [content for _, content in read_lines(tmp_path / "f.gz")] == [content for _, content in LINES]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_mark_of_utf8_before_the_first_line_is_no_part_of_it(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """Editors on Windows write one; positions count its bytes all the same."""
    path = tmp_path / ("f.gz" if pack is gzip.compress else "f")
    path.write_bytes(pack(BOM_UTF8 + CONTENT))
    assert [content for _, content in read_lines(path)] == [content for _, content in LINES]
    assert [position for position, _ in lines_at(path)] == [0, 8, 9, 14]


def test_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.jsonl: cannot be read: .*No such file"):
        list(read_lines(tmp_path / "absent.jsonl"))


@pytest.mark.parametrize("content", [b"not gzip", gzip.compress(CONTENT * 100)[:-20]], ids=["not gzip", "cut off"])
def test_a_damaged_gz_file_is_a_data_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"f\.gz: cannot be read"):
        list(read_lines(tmp_path / "f.gz"))
