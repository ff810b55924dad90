"""Read the records of a file one after another, for prediction and for an index, without a conversion."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import BadRecordError, LeftOutError
from ..records import Record
from .opening import open_source
from .source import Source, SourceSettings

_PIECE = 1 << 30
_NO_SETTINGS = SourceSettings()


@dataclass(frozen=True)
class Place:
    """Where a record stands, worked out when somebody reads it."""

    source: Source
    file: int
    position: int

    def __str__(self) -> str:
        return self.source.where(self.file, self.position)


def read_records(
    source: Path | Sequence[Path], settings: SourceSettings = _NO_SETTINGS, *, labelled: bool = True
) -> Iterator[tuple[Place, Record]]:
    """Yield (place, record) of a source of any kind.

    Args:
        source: Files and folders.
        settings: How they are read.
        labelled: Whether records must have labels; only where they need not, "given" is read.

    Raises:
        DataError: The source cannot be read.
        BadRecordError: A record cannot be read; the error names its place.
    """
    paths = [source] if isinstance(source, Path) else list(source)
    opened = open_source(paths, replace(settings, labelled=labelled))
    for piece in opened.pieces(_PIECE):
        for position, record in opened.read(piece):
            if isinstance(record, LeftOutError):
                continue
            place = Place(opened, piece.file, position)
            if isinstance(record, BadRecordError):
                raise BadRecordError(f"{place}: {record}")
            yield place, record
