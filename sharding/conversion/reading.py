"""Read the usable records of a piece, and assign each to a split, the same way in both passes over the source."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..errors import BadRecordError, DataError, LeftOutError, UnknownLabelError
from ..labels import LabelLookup
from ..records import TRAIN, Record
from ..sources import Piece
from .job import Job

# A text is encoded as a whole before it is cut: few long ones take as much memory as many short ones.
_RECORDS_AT_ONCE, _LETTERS_AT_ONCE = 4096, 4 << 20
_SHOWN = 3

Found = tuple[int, Record | BadRecordError]


@dataclass(frozen=True)
class Group:
    """Usable records of a piece, each with a split and with each label once.

    Attributes:
        positions: int64, their positions in the file.
        records: The records.
        aside: Which of them would be dev if a share of the training records was set aside.
    """

    positions: NDArray[np.int64]
    records: Sequence[Record]
    aside: Sequence[bool]

    @property
    def labels(self) -> list[str]:
        """The labels of all records behind each other."""
        return [label for record in self.records for label in record.labels]


@dataclass
class Rejected:
    """Counts unusable records of a piece: the first one ends the job, or all are counted and some shown.

    Rows that count for nothing are counted apart, and end nothing.
    """

    job: Job
    piece: Piece
    count: int = 0
    left_out: int = 0
    shown: list[str] = field(default_factory=list)

    def add(self, position: int, error: DataError) -> None:
        """Raise, or count; the place in the source is put before what is wrong."""
        if self.job.policy == "skip" and len(self.shown) == _SHOWN:
            self.count += 1
            return
        located = type(error)(f"{self.job.source.where(self.piece.file, position)}: {error}")
        if self.job.policy == "raise":
            raise located
        self.count += 1
        self.shown.append(str(located))


def read_groups(job: Job, piece: Piece, rejected: Rejected) -> Iterator[Group]:
    """Yield the usable records of a piece in source order."""
    lookup = LabelLookup.load(job.lookup) if job.strict else None
    for some in _portions(job.source.read(piece)):
        usable = list(_usable(some, lookup, rejected))
        if usable:
            positions, records, aside = zip(*usable, strict=True)
            yield Group(np.array(positions), records, aside)


def _portions(found: Iterable[Found]) -> Iterator[list[Found]]:
    some: list[Found] = []
    letters = 0
    for position, record in found:
        some.append((position, record))
        letters += len(record.text) if isinstance(record, Record) else 0
        if len(some) == _RECORDS_AT_ONCE or letters >= _LETTERS_AT_ONCE:
            yield some
            some, letters = [], 0
    if some:
        yield some


def _usable(
    found: Sequence[Found], lookup: LabelLookup | None, rejected: Rejected
) -> Iterator[tuple[int, Record, bool]]:
    share = rejected.job.dev_share
    for position, record in found:
        if isinstance(record, LeftOutError):
            rejected.left_out += 1
        elif isinstance(record, BadRecordError):
            rejected.add(position, record)
        elif lookup and (lookup.ids(record.labels) < 0).any():
            unknown = next(label for label in record.labels if lookup.ids([label])[0] < 0)
            rejected.add(position, UnknownLabelError(f"label {unknown!r}: not in the vocabulary that was given"))
        else:
            labels = tuple(dict.fromkeys(record.labels))
            split = record.split or _split_of(record.id)
            aside = bool(share) and record.split == TRAIN and _is_set_aside(record.id, share)
            yield position, Record(record.id, record.text, labels, split), aside


def _split_of(record_id: str) -> str:
    return {0: "test", 1: "dev"}.get(_digest(record_id) % 10, "train")


def _is_set_aside(record_id: str, share: float) -> bool:
    return _digest(record_id) % 1_000_000 < share * 1_000_000


def _digest(record_id: str) -> int:
    return int(hashlib.md5(record_id.encode(), usedforsecurity=False).hexdigest(), 16)
