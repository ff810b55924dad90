"""Reads a whole source, however it is cut."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

from sharding import Record
from sharding.sources import Source, SourceSettings, open_source

WHOLE = 1 << 40

Found = tuple[int, int, Record | str]


def read_all(source: Source, target_bytes: int = WHOLE) -> list[Found]:
    """Collect (file, position, record or what is wrong with it), cut into pieces of about so many bytes."""
    # What can be copied can be sent to a process that reads a piece.
    return list(_read(deepcopy(source), target_bytes))


def records(path: Path, settings: SourceSettings | None = None) -> list[Record | str]:
    """Open what is at a path and give its records."""
    return [record for _, _, record in read_all(open_source([path], settings or SourceSettings()))]


def _read(source: Source, target_bytes: int) -> Iterator[Found]:
    for piece in source.pieces(target_bytes):
        for position, record in source.read(piece):
            yield piece.file, position, record if isinstance(record, Record) else str(record)
