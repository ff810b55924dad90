"""Read Parquet files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyarrow.parquet import ParquetFile

from .columns import arrow_file, chosen_columns, rows_of, with_classes
from .fields import FieldReader, check_columns
from .files import files_with
from .label_values import LabelForm
from .sniffing import Sample
from .source import Piece, SourceSettings
from .tabular import Row, Tabular

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Parquet(Tabular):
    """Columns of id, text, labels and split; positions are row numbers, and files are cut between row groups."""

    def pieces(self, target_bytes: int) -> list[Piece]:
        return [piece for file, path in enumerate(self.files) for piece in _cut(file, path, target_bytes)]

    def rows(self, piece: Piece) -> Iterator[Row]:
        path = self.files[piece.file]
        with arrow_file(path), ParquetFile(path) as parquet:
            columns = chosen_columns(self.name(piece.file), parquet.schema_arrow, self.settings)
            groups = [group for group, start, _, _ in _groups(parquet) if piece.start <= start < piece.stop]
            row = piece.start
            # Workers read at the same time, each its own piece: threads inside them would only compete.
            for batch in parquet.iter_batches(_ROWS_AT_ONCE, groups, columns, use_threads=False):
                yield from rows_of(row, batch.to_pydict())
                row += batch.num_rows

    def check_fields(self, sample: Sample) -> None:
        for file, path in enumerate(self.files):
            with arrow_file(path), ParquetFile(path) as parquet:
                check_columns(self.name(file), parquet.schema_arrow.names, self.settings)
        super().check_fields(sample)

    def known_form(self) -> LabelForm:
        with arrow_file(self.files[0]), ParquetFile(self.files[0]) as parquet:
            return with_classes(self.reader.form, self.files, parquet.schema_arrow, self.settings)

    def understood(self) -> dict[str, Any]:
        with arrow_file(self.files[0]), ParquetFile(self.files[0]) as parquet:
            return {**super().understood(), "columns": parquet.schema_arrow.names}


def find_parquet(paths: Sequence[Path], settings: SourceSettings) -> Parquet | None:
    """Find .parquet files."""
    files = files_with((".parquet", ".pq", ".parq"), paths, chosen=settings.kind is not None)
    return Parquet(files, settings, FieldReader(settings)) if files else None


def _cut(file: int, path: Path, target_bytes: int) -> Iterator[Piece]:
    start = size = 0
    with arrow_file(path), ParquetFile(path) as parquet:
        for _, _, stop, num_bytes in _groups(parquet):
            size += num_bytes
            if size >= target_bytes or stop == parquet.metadata.num_rows:
                yield Piece(file, start, stop)
                start, size = stop, 0


def _groups(parquet: ParquetFile) -> Iterator[tuple[int, int, int, int]]:
    """Yield (number, first row, row behind the last, bytes before compression) of each row group that has rows."""
    start = 0
    for number in range(parquet.num_row_groups):
        group = parquet.metadata.row_group(number)
        if group.num_rows:
            yield number, start, start + group.num_rows, group.total_byte_size
            start += group.num_rows
