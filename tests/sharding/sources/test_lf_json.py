"""Records of raw texts with texts for labels: trn.json.gz, tst.json.gz, lbl.json.gz."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from sharding import DataError, Record
from sharding.sources import SourceSettings, open_source
from tests.sharding.sources.reading import read_all, records

LABELS = [{"uid": "B1", "title": "red"}, {"uid": "B2", "title": ""}, {"uid": "B3", "title": "blue", "content": "c"}]
TRAIN = [
    {"uid": "A1", "title": "a", "content": "long text", "target_ind": [0, 2], "target_rel": [1.0, 1.0]},
    {"uid": "A2", "title": "b", "content": None, "target_ind": []},
]
TEST = [{"uid": "A3", "title": "c", "target_ind": [1]}]


def write(folder: Path, *, train: list[Any] = TRAIN, labels: list[Any] = LABELS, packed: bool = True) -> Path:
    for stem, objects in {"trn": train, "tst": TEST, "lbl": labels}.items():
        content = "".join(json.dumps(fields) + "\n" for fields in objects).encode()
        (folder / (f"{stem}.json.gz" if packed else f"{stem}.json")).write_bytes(
            gzip.compress(content) if packed else content
        )
    return folder


@pytest.mark.parametrize("packed", [True, False])
def test_title_and_content_are_the_text_and_uids_the_names(tmp_path: Path, packed: bool) -> None:  # noqa: FBT001 (drawn)
    source = open_source([write(tmp_path, packed=packed)], SourceSettings())
    expected = [
        (0, 0, Record("A1", "a long text", ("B1", "B3"), "train")),
        (0, 1, Record("A2", "b", (), "train")),
        (1, 0, Record("A3", "c", ("B2",), "test")),
    ]
    assert read_all(source) == expected
    assert read_all(source, 1) == expected
    assert source.where(0, 1).endswith(":2")
    assert source.label_texts() == {"B1": "red", "B3": "blue"}


def test_filter_files_count_records_and_labels(tmp_path: Path) -> None:
    (write(tmp_path) / "filter_labels_train.txt").write_text("1 2\n0 0\n")
    (tmp_path / "filter_labels_test.txt").write_text("0 1\n")
    pairs = open_source([tmp_path], SourceSettings()).filter_pairs()
    assert list(pairs) == [("A2", "B3"), ("A1", "B1"), ("A3", "B2")]


def test_without_filter_files_nothing_is_excluded(tmp_path: Path) -> None:
    assert list(open_source([write(tmp_path)], SourceSettings()).filter_pairs()) == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"target_ind": [3]}, "'target_ind' is [3]: must be a list of numbers of labels, from 0 to 2"),
        ({"target_ind": [-1]}, "'target_ind' is [-1]: must be a list of numbers of labels, from 0 to 2"),
        ({"target_ind": [True]}, "'target_ind' is [true]: must be a list of numbers of labels, from 0 to 2"),
        ({"target_ind": None}, "'target_ind' is null: must be a list of numbers of labels, from 0 to 2"),
        ({"title": None}, "'title' is null: must be a string"),
        ({"content": 1}, "'content' is 1: must be a string"),
        ({"uid": 1}, "'uid' is 1: must be a string"),
    ],
)
def test_a_line_that_is_no_record_leaves_the_others(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    found = records(write(tmp_path, train=[TRAIN[0] | fields, TRAIN[1]]))
    assert found[:2] == [message, Record("A2", "b", (), "train")]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ({"title": "a"}, r"lbl\.json\.gz:4: 'uid' is missing: must be a string"),
        (
            {"uid": "B1", "title": "a"},
            r"lbl\.json\.gz:4: label 'B1': there is one of this uid already: uids must differ",
        ),
    ],
)
def test_a_label_without_a_name_of_its_own_is_a_data_error(tmp_path: Path, label: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        records(write(tmp_path, labels=[*LABELS, label]))


def test_a_file_that_is_cut_short_is_a_data_error(tmp_path: Path) -> None:
    path = write(tmp_path) / "trn.json.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"trn\.json\.gz: cannot be read"):
        records(tmp_path)


def test_a_filter_of_records_without_ids_is_a_data_error(tmp_path: Path) -> None:
    (write(tmp_path, train=[{"title": "a"}]) / "filter_labels_train.txt").write_text("0 0\n")
    with pytest.raises(
        DataError, match=r"trn\.json\.gz: 'uid' is missing: .*: the file of label filters counts on every"
    ):
        list(open_source([tmp_path], SourceSettings()).filter_pairs())


def test_sparse_files_of_the_same_data_set_may_lie_beside(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "trn_X_Y.txt").write_text("2 3\n0:1\n\n")
    (tmp_path / "trn_X_Xf.txt").write_text("2 1\n0:1\n0:1\n")
    (tmp_path / "train.txt").write_text("2 1 3\n0 0:1\n1 0:1\n")
    assert len(records(tmp_path)) == 3
