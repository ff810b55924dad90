"""Read sparse matrices with their labels, with a header `N D L` (extreme-classification repository) or without."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadRecordError
from ..records import Record
from .features import FeatureNames, check_base, check_header, feature_names, parse_number, read_header
from .files import files_with
from .lines import cut_by_bytes, decoded, line_number, lines_at, opened
from .source import Piece, Source, SourceSettings, attempt

_HEADER = ("records", "features", "labels")
_LINE = re.compile(rb"(?:[+-]?[\w.]+(?:,\s?[\w.]+)*)?\s+\d+:[-+.\deE]+(?:\s+\d+:[-+.\deE]+)*\s*(?:#.*)?")


@dataclass(frozen=True)
class Sparse(Source):
    """Lines `label,label feature:weight feature:weight`; positions are bytes, and plain files can be cut anywhere.

    A record's text is the names of its features, a label's name is its number.
    """

    def pieces(self, target_bytes: int) -> list[Piece]:
        for path in self.files:
            _check_length(path)
        check_base(self.files, (line for path in self.files for _, line in lines_at(path)), self.settings)
        return [piece for file, path in enumerate(self.files) for piece in cut_by_bytes(file, path, target_bytes)]

    def read(self, piece: Piece) -> Iterator[tuple[int, Record | BadRecordError]]:
        path = self.files[piece.file]
        split, prefix = self.split_of(piece.file), self.prefix(piece.file)
        _, num_features, num_labels = read_header(path, _HEADER)
        names = feature_names(self.settings, path, num_features)
        for position, line in lines_at(path, piece.start, piece.stop):
            if position:
                yield position, attempt(_record, line, names, num_labels, f"{prefix}:{position}", split)

    def where(self, file: int, position: int) -> str:
        return f"{self.name(file)}:{line_number(self.files[file], position)}"


@dataclass(frozen=True)
class Svmlight(Sparse):
    """The same lines without a header; labels are named by whatever words they are."""

    def pieces(self, target_bytes: int) -> list[Piece]:
        check_base(self.files, (line for path in self.files for _, line in lines_at(path)), self.settings)
        return [piece for file, path in enumerate(self.files) for piece in cut_by_bytes(file, path, target_bytes)]

    def read(self, piece: Piece) -> Iterator[tuple[int, Record | BadRecordError]]:
        path = self.files[piece.file]
        split, prefix = self.split_of(piece.file), self.prefix(piece.file)
        names = feature_names(self.settings, path, None)
        for position, line in lines_at(path, piece.start, piece.stop):
            if line.strip() and not line.startswith(b"#"):
                bare = line.partition(b" #")[0]
                yield position, attempt(_record, bare, names, None, f"{prefix}:{position}", split)


def find_svmlight(paths: Sequence[Path], settings: SourceSettings) -> Svmlight | None:
    """Find .svm and .libsvm files, and .txt files with lines of labels and features without a header."""
    chosen = settings.kind is not None
    files = files_with((".svm", ".libsvm", ".svmlight", ".txt"), paths, chosen=chosen)
    if not chosen:
        files = tuple(path for path in files if _looks_svmlight(path))
    return Svmlight(files, settings) if files else None


def _looks_svmlight(path: Path) -> bool:
    with opened(path) as file:
        lines = [line for line in file.read(1 << 16).splitlines()[:20] if line.strip()]
    return bool(lines) and all(map(_LINE.fullmatch, lines[:-1] or lines))


def find_sparse(paths: Sequence[Path], settings: SourceSettings) -> Sparse | None:
    """Find .txt files with a header of three numbers and then a line with a colon."""
    chosen = settings.kind is not None
    files = files_with((".txt",), paths, chosen=chosen)
    if not chosen:
        files = tuple(path for path in files if _looks_sparse(path))
    return Sparse(files, settings) if files else None


def _looks_sparse(path: Path) -> bool:
    with opened(path) as file:
        header, first = file.readline(200).split(), file.readline(1 << 16)
    return len(header) == len(_HEADER) and all(map(bytes.isdigit, header)) and b":" in first


def _check_length(path: Path) -> None:
    num_records, *_ = read_header(path, _HEADER)
    check_header(path, num_records, sum(1 for _ in lines_at(path)) - 1)


def _record(line: bytes, names: FeatureNames, num_labels: int | None, default_id: str, split: str | None) -> Record:
    head, _, features = decoded(line).partition(" ")
    if ":" in head:
        raise BadRecordError(f"begins with {head[:40]!r}: must begin with labels, or with a blank where it has none")
    words = [label for label in head.split(",") if label]
    if num_labels is not None:
        words = [str(parse_number(label, num_labels, "label")) for label in words]
    if head.endswith(","):
        raise BadRecordError(f"begins with {decoded(line)[:40]!r}: no blank may stand behind the comma of a label")
    return Record(default_id, names.text_of(features.split()), tuple(words), split)
