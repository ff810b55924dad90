"""What names of files tell."""

from pathlib import Path, PurePath

import pytest

from sharding import DataError
from sharding.sources.files import files_with, split_named, stem_of


@pytest.mark.parametrize(
    ("words", "split"),
    [
        ("train", "train"),
        ("trn_X_Xf", "train"),
        ("X.trn", "train"),
        ("eurlex_test", "test"),
        ("tst", "test"),
        ("Validation", "dev"),
        ("valid-00001-of-00004", "dev"),
        ("corpus", None),
        ("trained", None),
        ("my_test_corpus", None),
        ("train_test", None),
        ("", None),
    ],
)
def test_a_name_that_begins_or_ends_with_a_split_names_it(words: str, split: str | None) -> None:
    assert split_named(words) == split


@pytest.mark.parametrize(
    ("name", "stem"), [("a/b.jsonl", "a/b"), ("b.v2.csv.gz", "b.v2"), ("b.tar", "b"), ("b.jsonl.zst", "b")]
)
def test_a_stem_lacks_the_suffixes_of_format_and_compression(name: str, stem: str) -> None:
    assert stem_of(PurePath(name)) == stem


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["a.csv", "old/b.csv"], ["a.csv"]),
        (["train/a.csv", "test/a.csv"], ["test/a.csv", "train/a.csv"]),
        (["split=train/p.csv", "split=test/p.csv"], ["split=test/p.csv", "split=train/p.csv"]),
        (["data/train.csv", "data/test.csv", "README.md"], ["data/test.csv", "data/train.csv"]),
        (["data/.cache/a.csv", "data/b.csv"], ["data/b.csv"]),
    ],
)
def test_folders_are_looked_into_where_a_folder_holds_no_file_itself(
    tmp_path: Path, names: list[str], found: list[str]
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    files = files_with((".csv",), [tmp_path], chosen=False)
    assert [path.relative_to(tmp_path).as_posix() for path in files] == found


def test_folders_that_look_like_several_data_sets_are_refused_by_name(tmp_path: Path) -> None:
    for name in ("raw", "clean"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.csv").touch()
    with pytest.raises(DataError, match=r"look like several data sets, clean/, raw/: name the one that is meant"):
        files_with((".csv",), [tmp_path], chosen=False)
