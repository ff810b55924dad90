"""What of a source is used."""

from collections.abc import Callable, Iterable
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from sharding import DataError, Record, Rejections, UnknownLabelError, Vocabulary
from sharding.survey import survey, usable_records

Write = Callable[[Iterable[Any]], Path]

RECORDS = [
    {"id": "1", "split": "train", "text": "", "labels": ["a", "b", "a"]},
    {"id": "2", "split": "dev", "text": "", "labels": ["b", "c"]},
    {"id": "3", "split": "train", "text": "", "labels": ["b"]},
]


def silent(_done: int, _total: int | None, _what: str) -> None:
    pass


def test_labels_are_counted_over_training_records_only(write_jsonl: Write) -> None:
    found = survey(write_jsonl(RECORDS), None, "raise", silent)
    assert found.counts == {"a": 1, "b": 2, "c": 0}
    assert "c" in found.counts
    assert found.num_records == 3


def test_a_record_without_split_gets_one_by_its_id(write_jsonl: Write) -> None:
    numbers = [str(number) for number in range(300)]
    source = write_jsonl({"id": number, "text": "", "labels": []} for number in numbers)
    tenths = [int(md5(number.encode()).hexdigest(), 16) % 10 for number in numbers]  # noqa: S324 (no secret)
    expected = ["test" if tenth == 0 else "dev" if tenth == 1 else "train" for tenth in tenths]
    assert [record.split for record in usable_records(source, None, Rejections("raise"))] == expected


def test_a_label_that_is_repeated_counts_once(write_jsonl: Write) -> None:
    first = next(usable_records(write_jsonl(RECORDS), None, Rejections("raise")))
    assert first == Record("1", "", ("a", "b"), "train")


@pytest.mark.parametrize("known", [[], ["a", "b"]])
def test_a_label_outside_the_given_vocabulary_is_named_by_line(write_jsonl: Write, known: list[str]) -> None:
    given = Vocabulary.build(dict.fromkeys(known, 1), {})
    line, label = (2, "c") if known else (1, "a")
    with pytest.raises(UnknownLabelError, match=rf"corpus\.jsonl:{line}: label '{label}': not in the vocabulary"):
        survey(write_jsonl(RECORDS), given, "raise", silent)


def test_unlisted_labels_and_bad_lines_are_skipped_by_policy(write_jsonl: Write) -> None:
    given = Vocabulary.build({"a": 1, "b": 1}, {})
    found = survey(write_jsonl([*RECORDS, {"id": 4}]), given, "skip", silent)
    assert (found.num_records, found.num_skipped) == (2, 2)


def test_a_source_without_any_label_needs_the_vocabulary_of_another(write_jsonl: Write) -> None:
    source = write_jsonl([{"id": "1", "text": "", "labels": []}, {"id": "2", "text": "", "labels": []}])
    with pytest.raises(
        DataError, match=r"corpus\.jsonl: none of its 2 records has a label: fill in their 'labels', or"
    ):
        survey(source, None, "raise", silent)
    assert survey(source, Vocabulary.build({"a": 1}, {}), "raise", silent).num_records == 2


def test_a_source_without_usable_records_is_refused(write_jsonl: Write) -> None:
    with pytest.raises(DataError, match=r"corpus\.jsonl: holds no usable record \(2 skipped\)"):
        survey(write_jsonl([1, 2]), None, "skip", silent)
