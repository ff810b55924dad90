"""Records of folders with `trn_X_Y.txt`."""

from pathlib import Path

import pytest

from sharding import DataError, Record
from sharding.sources import SourceSettings, open_source
from tests.sharding.sources.reading import read_all, records

FILES = {
    "trn_X.txt": "a text\n\n",
    "trn_X_Y.txt": "2 3\n0:1 2:1\n1:0.0\n",
    "tst_X.txt": "another\n",
    "tst_X_Y.txt": "1 3\n1:1.0\n",
    "Y.txt": "red\n\nblue\n",
    "filter_labels_train.txt": "1 2\n0 0\n",
    "tst_filter_labels.txt": "0\t2\n",
}
FEATURES = {"trn_X_Xf.txt": "2 2\n1:0.2 0:0.9\n\n", "trn_X_Y.txt": "2 3\n0:1\n2:1\n"}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


def test_raw_texts_meet_their_labels(tmp_path: Path) -> None:
    source = open_source([write(tmp_path, FILES)], SourceSettings())
    expected = [
        (0, 0, Record("trn_X:0", "a text", ("0", "2"), "train")),
        (0, 1, Record("trn_X:1", "", (), "train")),
        (1, 0, Record("tst_X:0", "another", ("1",), "test")),
    ]
    assert read_all(source) == expected
    assert read_all(source, 1) == expected
    assert source.where(0, 1) == "trn_X.txt:2"
    assert source.label_texts() == {"0": "red", "2": "blue"}
    assert list(source.filter_pairs()) == [("trn_X:1", "2"), ("trn_X:0", "0"), ("tst_X:0", "2")]


def test_features_make_a_text_where_there_is_none(tmp_path: Path) -> None:
    names = write(tmp_path, FEATURES | {"Xf.txt": "cat\ndog\n"}) / "Xf.txt"
    source = open_source([tmp_path], SourceSettings(feature_names=names))
    assert read_all(source) == [
        (0, 0, Record("trn_X_Xf:0", "cat dog", ("0",), "train")),
        (0, 1, Record("trn_X_Xf:1", "", ("2",), "train")),
    ]
    assert source.where(0, 0) == "trn_X_Xf.txt:2"
    assert source.label_texts() == {}
    assert list(source.filter_pairs()) == []


def test_features_without_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"trn_X_Xf\.txt: holds features, not texts: give a file"):
        records(write(tmp_path, FEATURES))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"trn_X.txt": "a\n"}, r"trn_X\.txt: ends after 1 records, but .*trn_X_Y\.txt goes on: fetch both again"),
        ({"trn_X.txt": "a\nb\nc\n"}, r"trn_X_Y\.txt: ends after 2 records, but .*trn_X\.txt goes on"),
        ({"trn_X_Y.txt": "3 3\n\n\n"}, r"trn_X_Y\.txt: has 2 records: its header says 3"),
        ({"trn_X_Y.txt": "3\n\n\n"}, r"trn_X_Y\.txt:1: is b'3': must be the numbers of records, labels"),
    ],
)
def test_files_that_do_not_fit_are_a_data_error(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        records(write(tmp_path, FILES | files))


def test_texts_without_labels_are_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"trn_X_Y\.txt: cannot be read: No such file"):
        records(write(tmp_path, {"trn_X.txt": "a\n"}))


def test_a_line_that_is_no_record_leaves_the_others(tmp_path: Path) -> None:
    found = records(write(tmp_path, FILES | {"trn_X_Y.txt": "2 3\n3:1\n0:1\n"}))
    assert found[0] == "label 3: must be below 3, the number of labels"
    assert found[1] == Record("trn_X:1", "", ("0",), "train")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 0", "filter_labels_train.txt:2: record 2: must be below 2, the number of records"),
        ("0 3", "filter_labels_train.txt:2: label 3: must be below 3, the number of labels"),
        ("0", "filter_labels_train.txt:2: '': must be the number of a label: a line is a record, a blank and a label"),
        ("0 1 2", "filter_labels_train.txt:2: '1 2': must be the number of a label"),
    ],
)
def test_a_filter_line_that_is_no_pair_is_named(tmp_path: Path, line: str, message: str) -> None:
    files = FILES | {"filter_labels_train.txt": f"0 0\n{line}\n"}
    with pytest.raises(DataError, match=message):
        list(open_source([write(tmp_path, files)], SourceSettings()).filter_pairs())
