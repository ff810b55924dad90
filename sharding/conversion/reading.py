"""Read the usable records of a piece, and assign each to a split, the same way in both passes over the source."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..errors import BadRecordError, DataError, UnknownLabelError
from ..labels import LabelLookup
from ..records import Record
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
    """

    positions: NDArray[np.int64]
    records: Sequence[Record]

    @property
    def labels(self) -> list[str]:
        """The labels of all records behind each other."""
        return [label for record in self.records for label in record.labels]


@dataclass
class Rejected:
    """Counts unusable records of a piece: the first one ends the job, or all are counted and some shown."""

    job: Job
    piece: Piece
    count: int = 0
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
            yield Group(np.array([position for position, _ in usable]), [record for _, record in usable])


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


def _usable(found: Sequence[Found], lookup: LabelLookup | None, rejected: Rejected) -> Iterator[tuple[int, Record]]:
    for position, record in found:
        if isinstance(record, BadRecordError):
            rejected.add(position, record)
        elif lookup and (lookup.ids(record.labels) < 0).any():
            unknown = next(label for label in record.labels if lookup.ids([label])[0] < 0)
            rejected.add(position, UnknownLabelError(f"label {unknown!r}: not in the vocabulary that was given"))
        else:
            labels = tuple(dict.fromkeys(record.labels))
            yield position, Record(record.id, record.text, labels, record.split or _split_of(record.id))


def _split_of(record_id: str) -> str:
    digest = hashlib.md5(record_id.encode(), usedforsecurity=False).hexdigest()
    return {0: "test", 1: "dev"}.get(int(digest, 16) % 10, "train")
