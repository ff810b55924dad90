"""Hashes of the ids and texts of all records: which ids stand twice, and which texts stand in two splits.

Seventeen bytes a record on disk; looked at in parts, so that memory does not grow with them.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from ..errors import DataError
from ..records import DEV, SPLITS
from ..sources import Piece
from ..storage import publish
from .job import Job
from .reading import Group, Rejected, read_groups

_PRINT = np.dtype([("id", np.uint64), ("text", np.uint64), ("split", np.uint8)])
_PLACED = np.dtype([("text", np.uint64), ("split", np.uint8)])
_AT_ONCE = 1 << 23  # records
_ASIDE = len(SPLITS)  # the number of a training record that may be set aside
_EMPTY = xxhash.xxh3_64_intdigest(b"")


def fingerprint(group: Group) -> NDArray[np.void]:
    """Hash the ids and texts of some records."""
    rows = zip(group.records, group.aside, strict=True)
    hashed = [
        (_digest(r.id), _digest(r.text.strip()), _ASIDE if aside else SPLITS.index(r.split or "")) for r, aside in rows
    ]
    return np.array(hashed, dtype=_PRINT)


def save(prints: Sequence[NDArray[np.void]], path: Path) -> None:
    """Write the hashes of a piece down."""
    with publish(path) as temporary, temporary.open("wb") as file:
        np.concatenate([np.empty(0, _PRINT), *prints]).tofile(file)


def check_ids(job: Job, pieces: Sequence[Piece]) -> None:
    """Raise a DataError that names an id which stands twice, and where."""
    twice: set[int] = set()
    for ids in _parts(job, pieces, "id"):
        found = np.sort(ids["id"])
        twice.update(np.unique(found[1:][found[1:] == found[:-1]]).tolist())
    if not twice:
        return
    seen: dict[str, str] = {}
    for piece in pieces:
        for group in read_groups(job, piece, Rejected(job, piece)):
            for position, record in zip(group.positions.tolist(), group.records, strict=True):
                if _digest(record.id) not in twice:
                    continue
                where = job.source.where(piece.file, position)
                if record.id in seen:
                    more = f", as do {len(twice) - 1} more" if len(twice) > 1 else ""
                    raise DataError(
                        f"{where}: id {record.id!r}: stands twice, first at {seen[record.id]}{more}: each record needs "
                        'an id of its own, and all its labels: join the rows, or have records numbered by --id-field ""'
                    )
                seen[record.id] = where


def texts_in_two_splits(job: Job, pieces: Sequence[Piece], *, aside: bool) -> int:
    """Count the texts that stand in more than one split: what is judged was then learnt by heart.

    Args:
        job: The conversion.
        pieces: The pieces of its source.
        aside: Whether a share of the training records is dev.
    """
    split_of = np.array([*range(len(SPLITS)), SPLITS.index(DEV) if aside else 0], dtype=np.uint8)
    count = 0
    for part in _parts(job, pieces, "text"):
        rows = part[part["text"] != _EMPTY]
        pairs = np.empty(len(rows), dtype=_PLACED)
        pairs["text"], pairs["split"] = rows["text"], split_of[rows["split"]]
        pairs = np.unique(pairs)
        count += int(np.count_nonzero(np.unique(pairs["text"], return_counts=True)[1] > 1))
    return count


def _mapped(path: Path) -> NDArray[np.void]:
    return np.memmap(path, _PRINT, "r") if path.stat().st_size else np.empty(0, _PRINT)


def _digest(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode())


def _parts(job: Job, pieces: Sequence[Piece], field: str) -> Iterator[NDArray[np.void]]:
    """Yield all records in parts, each with all of those that have the same hash."""
    files = [_mapped(job.fingerprints(number)) for number in range(len(pieces))]
    count = sum(map(len, files)) // _AT_ONCE + 1
    for part in range(count):
        chosen = [file[file[field] % np.uint64(count) == part] if count > 1 else file for file in files]
        yield np.concatenate([np.empty(0, _PRINT), *chosen])
