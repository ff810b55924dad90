"""Texts of labels."""

import gzip
from pathlib import Path

import pytest

from sharding import DataError
from sharding.labels import read_label_texts


@pytest.mark.parametrize("name", ["labels.tsv", "labels.tsv.gz"])
def test_a_text_is_all_that_follows_the_first_tab_if_anything_does(tmp_path: Path, name: str) -> None:
    content = b"A00\tCholera\nB\ttab\tinside\nC\t\n"
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert read_label_texts(tmp_path / name) == {"A00": "Cholera", "B": "tab\tinside"}


@pytest.mark.parametrize("line", [b"no tab", b"bad\tutf-8 \xff"])
def test_a_line_that_is_no_label_text_is_named(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "labels.tsv").write_bytes(b"A\ta\n" + line + b"\n")
    with pytest.raises(DataError, match=r"labels\.tsv:2: .*must be a label, a TAB and its text"):
        read_label_texts(tmp_path / "labels.tsv")
