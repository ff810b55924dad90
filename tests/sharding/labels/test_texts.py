"""Texts of labels."""

import gzip
from pathlib import Path

import pytest

from sharding import DataError
from sharding.labels import read_label_texts, read_new_labels


@pytest.mark.parametrize("name", ["labels.tsv", "labels.tsv.gz"])
def test_a_text_is_what_stands_in_the_second_column_if_anything_does(tmp_path: Path, name: str) -> None:
    content = b"A00\tCholera\nB\ta text\tand a notation\nC\t\n"
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert read_label_texts(tmp_path / name) == {"A00": "Cholera", "B": "a text"}


@pytest.mark.parametrize("line", [b"no tab", b"bad\tutf-8 \xff"])
def test_a_line_that_is_no_label_text_is_named(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "labels.tsv").write_bytes(b"A\ta\n" + line + b"\n")
    with pytest.raises(DataError, match=r"labels\.tsv:2: .*must be a label, a TAB and its text"):
        read_label_texts(tmp_path / "labels.tsv")


def test_new_labels_are_read_with_or_without_a_text(tmp_path: Path) -> None:
    (tmp_path / "new.tsv").write_text("a\tthe first\nb\t\n\n", encoding="utf-8")
    assert read_new_labels(tmp_path / "new.tsv") == {"a": "the first", "b": None}


def test_a_new_label_stands_on_one_line(tmp_path: Path) -> None:
    (tmp_path / "new.tsv").write_text("a\tthe first\nb\t\na\tthe last\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_new_labels(tmp_path / "new.tsv")
    assert str(caught.value) == "new.tsv:3: label 'a': stands on an earlier line already"


def test_a_file_of_no_new_label_is_refused(tmp_path: Path) -> None:
    (tmp_path / "new.tsv").write_text("\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_new_labels(tmp_path / "new.tsv")
    assert str(caught.value) == f"{tmp_path / 'new.tsv'}: holds no label"
