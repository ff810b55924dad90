"""Records of `train_raw_texts.txt` and `train_labels.txt`."""

from pathlib import Path

import pytest

from sharding import DataError, Record
from sharding.sources import SourceSettings, open_source
from tests.sharding.sources.reading import read_all, records

FILES = {
    "train_raw_texts.txt": "A text.\nAnother.\n",
    "train_labels.txt": "4 5 6\n\n",
    "test_texts.txt": "the last\n",
    "test_labels.txt": "dog cat/big\n",
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).write_bytes(content.encode("latin-1"))
    return folder


def test_texts_meet_their_labels(tmp_path: Path) -> None:
    source = open_source([write(tmp_path, FILES)], SourceSettings())
    expected = [
        (0, 0, Record("test_texts:0", "the last", ("dog", "cat/big"), "test")),
        (1, 0, Record("train_raw_texts:0", "A text.", ("4", "5", "6"), "train")),
        (1, 1, Record("train_raw_texts:1", "Another.", (), "train")),
    ]
    assert read_all(source) == expected
    assert read_all(source, 1) == expected
    assert source.where(1, 1) == "train_raw_texts.txt:2"


def test_raw_texts_go_before_tokenized_ones(tmp_path: Path) -> None:
    found = records(write(tmp_path, FILES | {"train_texts.txt": "a text\nanother\n"}))
    assert Record("train_raw_texts:0", "A text.", ("4", "5", "6"), "train") in found


def test_a_line_that_is_not_utf8_leaves_the_others(tmp_path: Path) -> None:
    found = records(write(tmp_path, FILES | {"train_raw_texts.txt": "\xe9t\xe9\nAnother.\n"}))
    assert str(found[1]).startswith(r"b'\xe9t\xe9': must be in UTF-8")
    assert found[2] == Record("train_raw_texts:1", "Another.", (), "train")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("4\n", r"train_labels\.txt: ends after 1 records, but .*train_raw_texts\.txt goes on: fetch both again"),
        ("4\n5\n6\n", r"train_raw_texts\.txt: ends after 2 records, but .*train_labels\.txt goes on"),
    ],
)
def test_each_text_has_its_line_of_labels(tmp_path: Path, labels: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        records(write(tmp_path, FILES | {"train_labels.txt": labels}))


def test_texts_without_labels_are_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train_labels\.txt: cannot be read: No such file"):
        records(write(tmp_path, {"train_raw_texts.txt": "a\n"}))


@pytest.mark.parametrize("separator", [",", ", ", ";", "\t"])
def test_labels_may_have_other_things_than_blanks_between(tmp_path: Path, separator: str) -> None:
    labels = f"red{separator}blue\ngreen\n" if separator != "\t" else "dark red\tblue\ngreen\n"
    (tmp_path / "train_texts.txt").write_bytes(b"\xef\xbb\xbfa\nb\n")
    (tmp_path / "train_labels.txt").write_text(labels)
    found = [record for record in records(tmp_path) if isinstance(record, Record)]
    assert [record.text for record in found] == ["a", "b"]
    assert [record.labels[-1] for record in found] == ["blue", "green"]
    assert len(found[0].labels) == 2
