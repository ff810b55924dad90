"""Read JSON-lines files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadRecordError
from ..records import parse_object
from .exports import flattened
from .fields import FieldReader
from .files import files_with
from .lines import check_encoding, cut_by_bytes, line_number, lines_at, opened
from .source import Piece, SourceSettings
from .tabular import Row, Tabular

SUFFIXES = (".jsonl", ".ndjson", ".jsonlines")


@dataclass(frozen=True)
class JsonLines(Tabular):
    """One JSON object a line; positions are bytes, and plain files can be cut anywhere."""

    def pieces(self, target_bytes: int) -> list[Piece]:
        encoding = self.settings.encoding
        numbered = enumerate(self.files)
        return [piece for file, path in numbered for piece in cut_by_bytes(file, path, target_bytes, encoding)]

    def rows(self, piece: Piece) -> Iterator[Row]:
        path, encoding = self.files[piece.file], self.settings.encoding
        for position, line in lines_at(path, piece.start, piece.stop, encoding):
            if line:
                try:
                    yield position, flattened(parse_object(line))
                except BadRecordError as error:
                    yield position, error

    def where(self, file: int, position: int) -> str:
        return f"{self.name(file)}:{line_number(self.files[file], position, self.settings.encoding)}"


def find_json_lines(paths: Sequence[Path], settings: SourceSettings) -> JsonLines | None:
    """Find .jsonl and .ndjson files, and .json files that hold lines; compressed or not."""
    chosen = settings.kind is not None
    files = files_with((*SUFFIXES, ".json"), paths, chosen=chosen)
    if not files or not (chosen or all(is_lines(path, settings.encoding) for path in files)):
        files = files_with(SUFFIXES, paths, chosen=chosen)
        if not files or any(begins_with(path, settings.encoding) == b"[" for path in files):
            return None
    for path in files:
        check_encoding(path, settings.encoding)
    return JsonLines(files, settings, FieldReader(settings))


def begins_with(path: Path, encoding: str) -> bytes:
    """Give the first byte of a file that is no white space."""
    with opened(path, encoding) as file:
        return file.read(1 << 10).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]


def is_lines(path: Path, encoding: str) -> bool:
    """Tell whether a file holds an object a line: by its suffix, or because its first line is one and not the last."""
    if begins_with(path, encoding) == b"[":
        return False
    if not path.name.lower().removesuffix(path.suffix.lower() if ".json" not in path.suffix else "").endswith(".json"):
        return True
    lines = (line for _, line in lines_at(path, encoding=encoding) if line.strip())
    try:
        parse_object(next(lines, b""))
    except BadRecordError:
        return False
    return next(lines, None) is not None
