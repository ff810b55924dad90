"""Lines of plain and compressed files."""

import gzip
from pathlib import Path

import pytest

from sharding import DataError
from sharding.sources import read_lines

CONTENT = b"one\r\n\ntwo\t\nthree"
LINES = [("f:1", b"one"), ("f:3", b"two\t"), ("f:4", b"three")]


def test_lines_know_their_number_and_empty_ones_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    assert list(read_lines(tmp_path / "f")) == LINES


def test_a_gz_file_reads_like_a_plain_one(tmp_path: Path) -> None:
    (tmp_path / "f.gz").write_bytes(gzip.compress(CONTENT))
    assert [content for _, content in read_lines(tmp_path / "f.gz")] == [content for _, content in LINES]


def test_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.jsonl: cannot be read: .*No such file"):
        list(read_lines(tmp_path / "absent.jsonl"))


@pytest.mark.parametrize("content", [b"not gzip", gzip.compress(CONTENT * 100)[:-20]])
def test_a_damaged_gz_file_is_a_data_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"f\.gz: cannot be read"):
        list(read_lines(tmp_path / "f.gz"))
