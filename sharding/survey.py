"""Decides what of a source is used, and in which split: the first of the two readings of a conversion."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from .errors import DataError, UnknownLabelError
from .labels import Vocabulary
from .records import BadRecordPolicy, Record, Rejections
from .sources import read_records

# Called with (done, total or None, what is being done).
Progress = Callable[[int, int | None, str], None]

_REPORT_EVERY = 4096


@dataclass(frozen=True)
class Survey:
    """What a source holds: usable and skipped records, and the training records of every label in any split."""

    num_records: int
    num_skipped: int
    counts: Counter[str]


def survey(path: Path, vocabulary: Vocabulary | None, policy: BadRecordPolicy, progress: Progress) -> Survey:
    """Read a source once and count; a given vocabulary is the only one whose labels may occur.

    DataError when no record is usable, or when there is no label to make a vocabulary of.
    """
    rejections = Rejections(policy)
    counts: Counter[str] = Counter()
    num_records = 0
    for num_records, record in enumerate(usable_records(path, vocabulary, rejections), start=1):
        for label in record.labels:
            counts[label] += record.split == "train"
        if num_records % _REPORT_EVERY == 0:
            progress(num_records, None, "counting labels")
    if not num_records:
        raise DataError(f"{path}: holds no usable record ({rejections.count} skipped)")
    if vocabulary is None and not counts:
        raise DataError(
            f"{path}: none of its {num_records} records has a label: "
            "fill in their 'labels', or give the vocabulary of another data set"
        )
    return Survey(num_records, rejections.count, counts)


def usable_records(path: Path, vocabulary: Vocabulary | None, rejections: Rejections) -> Iterator[Record]:
    """Yield records with a split and with each label once; the rest goes to `rejections`, the same at each reading."""
    for where, record in read_records(path, rejections):
        unknown = [label for label in record.labels if vocabulary is not None and label not in vocabulary.ids]
        if unknown:
            rejections.add(UnknownLabelError(f"{where}: label {unknown[0]!r}: not in the vocabulary that was given"))
        else:
            labels = tuple(dict.fromkeys(record.labels))
            yield replace(record, labels=labels, split=record.split or _split_of(record.id))


def _split_of(record_id: str) -> str:
    digest = hashlib.md5(record_id.encode(), usedforsecurity=False).hexdigest()
    return {0: "test", 1: "dev"}.get(int(digest, 16) % 10, "train")
