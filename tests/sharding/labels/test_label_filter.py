"""Pairs of record and label from a file, and every way in which such a file is refused."""

from pathlib import Path

import pytest

from sharding import DataError, LabelFilter, UnknownLabelError, Vocabulary

VOCABULARY = Vocabulary.build({"a": 5, "b": 4, "c d": 3, "e\tf": 2}, {})


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.tsv"
    path.write_text("r2\tb\nr1\tc d\n\nr2\ta\nr2\tb\nr3\te\tf\n", encoding="utf-8")
    return path


def test_each_record_has_the_labels_of_all_its_lines(pairs: Path) -> None:
    label_filter = LabelFilter.read(pairs, VOCABULARY)
    found = [ids.tolist() for ids in label_filter.of(["r1", "r2", "r3", "other"])]
    assert found == [[2], [0, 1], [3], []]


def test_records_that_are_there_pass_whatever_else_is_there(pairs: Path) -> None:
    LabelFilter.read(pairs, VOCABULARY).check(iter(["r3", "r9", "r2", "r1"]), Path("origin"))


def test_the_first_record_that_is_not_there_is_named_with_its_line(pairs: Path) -> None:
    with pytest.raises(DataError) as refused:
        LabelFilter.read(pairs, VOCABULARY).check(["r2", "r9"], Path("origin"))
    assert str(refused.value) == "pairs.tsv:2: record 'r1': origin has no record of this id"


def test_a_label_that_is_unknown_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("r1\ta\nr1\tcd\n", encoding="utf-8")
    with pytest.raises(UnknownLabelError) as refused:
        LabelFilter.read(tmp_path / "pairs.tsv", VOCABULARY)
    assert str(refused.value) == "pairs.tsv:2: label 'cd': must be one of the 4 labels; nearest: 'c d'"


@pytest.mark.parametrize("line", [b"r1 a", b"r1", b"r1\t\xff"])
def test_a_line_that_is_no_pair_is_named(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "pairs.tsv").write_bytes(b"r1\ta\n" + line + b"\n")
    with pytest.raises(DataError) as refused:
        LabelFilter.read(tmp_path / "pairs.tsv", VOCABULARY)
    assert str(refused.value) == f"pairs.tsv:2: {line!r}: must be a record id, a TAB and a label, in UTF-8"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.tsv: cannot be read: No such file"):
        LabelFilter.read(tmp_path / "absent.tsv", VOCABULARY)
