"""Read JSON-lines files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import BadRecordError
from ..records import Record, parse_record
from .files import files_with
from .lines import cut_by_bytes, line_number, lines_at, read_lines
from .source import Piece, Source, SourceSettings, attempt


@dataclass(frozen=True)
class JsonLines(Source):
    """One JSON object a line; positions are bytes, and plain files can be cut anywhere."""

    def pieces(self, target_bytes: int) -> list[Piece]:
        return [piece for file, path in enumerate(self.files) for piece in cut_by_bytes(file, path, target_bytes)]

    def read(self, piece: Piece) -> Iterator[tuple[int, Record | BadRecordError]]:
        split = self.split_of(piece.file)
        for position, line in lines_at(self.files[piece.file], piece.start, piece.stop):
            if line:
                yield position, attempt(self._record, line, split)

    def where(self, file: int, position: int) -> str:
        return f"{self.name(file)}:{line_number(self.files[file], position)}"

    def _record(self, line: bytes, split: str | None) -> Record:
        record = parse_record(line, names=self.settings.names)
        split = self.settings.split or record.split or split
        return record if split == record.split else replace(record, split=split)


def find_json_lines(paths: Sequence[Path], settings: SourceSettings) -> JsonLines | None:
    """Find .jsonl and .ndjson files, compressed or not."""
    files = files_with((".jsonl", ".ndjson"), paths, chosen=settings.kind is not None)
    return JsonLines(files, settings) if files else None


def read_records(path: Path, *, labelled: bool = True) -> Iterator[tuple[str, Record]]:
    """Yield ("file:line", record) from a JSON-lines file, .gz and .zst decompressed; BadRecordError names its line."""
    for where, line in read_lines(path):
        try:
            record = parse_record(line, labelled=labelled)
        except BadRecordError as error:
            raise BadRecordError(f"{where}: {error}") from None
        yield where, record
