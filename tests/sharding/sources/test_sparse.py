"""Records of sparse text with a header `N D L`."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharding import DataError, Record
from sharding.sources import SourceSettings, open_source
from tests.sharding.sources.reading import read_all, records

LINES = "3 4 9\n0,8 1:0.5 3:0.75\n 0:1\n2 2:0.1 0:0.1\n"


@pytest.fixture
def settings(tmp_path: Path) -> SourceSettings:
    return SourceSettings(feature_names=write(tmp_path / "features.names", "cat\ndog\nice cream\nsea\n"))


def write(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def test_a_text_is_the_names_of_the_features_the_heaviest_first(tmp_path: Path, settings: SourceSettings) -> None:
    source = open_source([write(tmp_path / "eurlex_train.txt", LINES)], settings)
    assert read_all(source) == [
        (0, 6, Record("eurlex_train:6", "sea dog", ("0", "8"), "train")),
        (0, 23, Record("eurlex_train:23", "cat", (), "train")),
        (0, 28, Record("eurlex_train:28", "ice cream cat", ("2",), "train")),
    ]
    assert source.where(0, 28) == "eurlex_train.txt:4"


@given(st.lists(st.sampled_from(["", " ", "1", "1,0 0:1", "7 0:1", " 0:1 1:2"]), max_size=9), st.integers(1, 60))
def test_however_a_file_is_cut_its_records_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], target_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    names = write(folder / "names", "a\nb\n")
    write(folder / "a.txt", "\n".join([f"{len(lines)} 2 2", *lines, ""]))
    source = open_source([folder / "a.txt"], SourceSettings(kind="sparse", feature_names=names))
    assert read_all(source, target_bytes) == read_all(source)
    assert len(read_all(source)) == len(lines)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("9 0:1", "label 9: must be below 9, the number of labels"),
        ("a 0:1", "'a': must be the number of a label"),
        ("-1 0:1", "'-1': must be the number of a label"),
        ("1 4:1", "feature 4: must be below 4, the number of features"),
        ("1 0:a", "'0:a': must be the number of a feature, a colon and a weight"),
        ("1 0", "'0': must be the number of a feature, a colon and a weight"),
        ("0:1 1:1", "begins with '0:1': must begin with labels, or with a blank where it has none"),
    ],
)
def test_a_line_that_is_no_record_leaves_the_others(
    tmp_path: Path, settings: SourceSettings, line: str, message: str
) -> None:
    path = write(tmp_path / "train.txt", f"2 4 9\n0 0:1\n{line}\n")
    assert records(path, settings) == [Record("train:6", "cat", ("0",), "train"), message]


def test_features_without_names_are_refused_with_the_way_out(tmp_path: Path) -> None:
    path = write(tmp_path / "train.txt", LINES)
    with pytest.raises(
        DataError, match=r"train\.txt: holds features, not texts: .* by --feature-names, or take the raw"
    ):
        records(path)


def test_each_feature_must_have_a_name(tmp_path: Path) -> None:
    names = write(tmp_path / "few", "cat\ndog\n")
    with pytest.raises(DataError, match=r"few: has 2 lines: must have 4, one for each feature of .*train\.txt"):
        records(write(tmp_path / "train.txt", LINES), SourceSettings(feature_names=names))


def test_a_file_that_lacks_records_is_a_data_error(tmp_path: Path, settings: SourceSettings) -> None:
    path = write(tmp_path / "train.txt", LINES.replace("3 4", "4 4"))
    with pytest.raises(DataError, match=r"train\.txt: has 3 records: its header says 4: fetch it again"):
        records(path, settings)


def test_a_header_says_three_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "train.txt", "3 4\n0 0:1\n")
    with pytest.raises(DataError, match=r"train\.txt:1: is b'3 4': must be the numbers of records, features, labels"):
        records(path, SourceSettings(kind="sparse"))


def test_features_that_may_be_counted_from_1_are_refused_until_that_is_said(tmp_path: Path) -> None:
    names = write(tmp_path / "names", "cat\ndog\nsea\n")
    path = write(tmp_path / "train.txt", "1 3 9\n5 1:1 2:0.5\n")
    with pytest.raises(
        DataError, match=r"no record has feature 0, so features may be counted from 1: say --feature-base 1"
    ):
        records(path, SourceSettings(feature_names=names))
    for base, text in ((0, "dog sea"), (1, "cat dog")):
        settings = SourceSettings(feature_names=names, feature_base=base)
        assert records(path, settings) == [Record("train:6", text, ("5",), "train")]


@pytest.mark.parametrize("name", ["train.svm", "train.libsvm", "train.txt"])
def test_lines_without_a_header_are_svmlight(tmp_path: Path, name: str) -> None:
    names = write(tmp_path / "names", "cat\ndog\nsea\n")
    path = write(tmp_path / name, "5,3 0:1 2:0.5 # a note\n6 1:1\n 0:1\n")
    found = [(r.text, r.labels) for r in records(path, SourceSettings(feature_names=names)) if isinstance(r, Record)]
    assert found == [("cat sea", ("5", "3")), ("dog", ("6",)), ("cat", ())]


def test_a_blank_behind_the_comma_of_a_label_makes_no_record(tmp_path: Path, settings: SourceSettings) -> None:
    path = write(tmp_path / "train.txt", "2 4 9\n0 0:1\n5, 3 0:1\n")
    assert records(path, settings)[1] == "begins with '5, 3 0:1': no blank may stand behind the comma of a label"
