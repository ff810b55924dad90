"""Read CSV and TSV files."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadRecordError, DataError
from ..records import Record
from .fields import check_columns, record_of
from .files import files_with, suffix_of
from .lines import opened
from .source import Piece, Source, SourceSettings, attempt

# The csv module's own limit, 128 KiB, is less than a long document; without any, a lost quote would fill the memory.
_LONGEST_FIELD = 1 << 26


@dataclass(frozen=True)
class Delimited(Source):
    """Tables with a header; positions count rows, blank lines not among them, and no file is cut.

    A quoted field may hold line ends, so that nobody knows where a row begins without all the rows before it.
    """

    def read(self, piece: Piece) -> Iterator[tuple[int, Record | BadRecordError]]:
        split = self.split_of(piece.file)
        prefix = self.prefix(piece.file)
        rows = _rows(self.files[piece.file], self.name(piece.file))
        header = self._header(rows, piece.file)
        for position, (_, row) in enumerate(rows):
            yield position, attempt(_record, header, row, self.settings, f"{prefix}:{position}", split)

    def where(self, file: int, position: int) -> str:
        rows = enumerate(_rows(self.files[file], self.name(file)), start=-1)
        return next(f"{self.name(file)}:{line}" for row, (line, _) in rows if row == position)

    def _header(self, rows: Iterator[tuple[int, list[str]]], file: int) -> list[str]:
        _, header = next(rows, (0, []))
        check_columns(f"{self.name(file)}:1", header, self.settings)
        for column in header:
            if header.count(column) > 1:
                raise DataError(f"{self.name(file)}:1: two columns are called {column!r}: names must differ")
        return header


def find_delimited(paths: Sequence[Path], settings: SourceSettings) -> Delimited | None:
    """Find .csv and .tsv files, compressed or not."""
    files = files_with((".csv", ".tsv"), paths, chosen=settings.kind is not None)
    return Delimited(files, settings) if files else None


def _rows(path: Path, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line where it begins, fields) of each row, the header first."""
    csv.field_size_limit(_LONGEST_FIELD)
    with opened(path) as file:
        # A byte that is not UTF-8 becomes half a surrogate, and so one bad record rather than an unreadable file.
        text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
        reader = csv.reader(text, delimiter="\t" if suffix_of(path) == ".tsv" else ",", strict=True)
        line = 1
        try:
            for row in reader:
                if row:
                    yield line, row
                line = reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{name}:{line}: {error}: close each quote, and double those inside a field") from error


def _record(header: list[str], row: list[str], settings: SourceSettings, default_id: str, split: str | None) -> Record:
    if len(row) != len(header):
        raise BadRecordError(f"has {len(row)} fields: must have {len(header)}, as its header has")
    return record_of(dict(zip(header, row, strict=True)), settings, default_id, split)
