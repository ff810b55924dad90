"""What names of files tell."""

from pathlib import PurePath

import pytest

from sharding.sources.files import split_named, stem_of


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
