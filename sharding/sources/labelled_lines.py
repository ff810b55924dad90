"""Read text files with a record a line, labels and text in it: fastText, LibMultiLabel, PECOS text2text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadRecordError, DataError
from ..records import Record
from .aligned import rows_of
from .features import parse_number
from .files import files_named, files_with, is_compressed, split_word, suffix_of
from .lines import check_encoding, cut_by_bytes, decoded, line_number, lines_at, opened
from .source import Piece, Source, SourceSettings, attempt

_PREFIX = "__label__"
_LABEL = re.compile(rf"(?<!\S){_PREFIX}(\S+)\s*,?\s*")
_SAMPLED = 200
_TEXT2TEXT = (
    ("training-data.txt", "train-data.txt", "trn.txt"),
    ("test-data.txt", "testing-data.txt", "tst.txt"),
    ("validation-data.txt",),
)
_OUTPUT_LABELS = ("output-labels.txt", "output-items.txt")


@dataclass(frozen=True)
class LabelledLines(Source):
    """One record a line; positions are bytes, and plain files can be cut anywhere."""

    def pieces(self, target_bytes: int) -> list[Piece]:
        encoding, numbered = self.settings.encoding, enumerate(self.files)
        return [piece for file, path in numbered for piece in cut_by_bytes(file, path, target_bytes, encoding)]

    def read(self, piece: Piece) -> Iterator[tuple[int, Record | BadRecordError]]:
        split, prefix = self.split_of(piece.file), self.prefix(piece.file)
        for position, line in lines_at(self.files[piece.file], piece.start, piece.stop, self.settings.encoding):
            if line.strip():
                yield position, attempt(self.record, line, f"{prefix}:{position}", split)

    def record(self, line: bytes, default_id: str, split: str | None) -> Record:
        """Make a record of a line of fastText: all words `__label__x` are labels, the rest is the text."""
        text = decoded(line)
        return Record(default_id, _LABEL.sub("", text).strip(), tuple(map(_bare, _LABEL.findall(text))), split)

    def where(self, file: int, position: int) -> str:
        return f"{self.name(file)}:{line_number(self.files[file], position, self.settings.encoding)}"


@dataclass(frozen=True)
class LibMultiLabel(LabelledLines):
    """Lines `labels TAB text` or `id TAB labels TAB text`, with blanks between labels.

    has_ids: Whether there are three columns.
    """

    has_ids: bool = False

    def record(self, line: bytes, default_id: str, split: str | None) -> Record:
        fields = decoded(line).split("\t", 2 if self.has_ids else 1)
        if len(fields) != 2 + self.has_ids:
            raise BadRecordError(f"has {len(fields)} fields: must have {2 + self.has_ids}, with TABs between")
        return Record(fields[0] if self.has_ids else default_id, fields[-1], tuple(fields[-2].split()), split)

    def understood(self) -> dict[str, Any]:
        columns = ["id", "labels", "text"] if self.has_ids else ["labels", "text"]
        return {**super().understood(), "columns": columns, "separator": "blanks"}


@dataclass(frozen=True)
class Text2Text(LabelledLines):
    """Lines `3,5 TAB text` with numbers of labels, whose names are the lines of `output-labels.txt`.

    labels: That file.
    """

    labels: Path = Path()

    def read(self, piece: Piece) -> Iterator[tuple[int, Record | BadRecordError]]:
        names = _names(self.labels)
        split, prefix = self.split_of(piece.file), self.prefix(piece.file)
        for position, line in lines_at(self.files[piece.file], piece.start, piece.stop):
            if line.strip():
                yield position, attempt(_numbered, line, names, f"{prefix}:{position}", split)

    def companions(self) -> tuple[Path, ...]:
        return (*super().companions(), self.labels)


def find_fasttext(paths: Sequence[Path], settings: SourceSettings) -> LabelledLines | None:
    """Find text files whose lines have words `__label__x`, whatever their suffix."""
    chosen = settings.kind is not None
    files = _text_files(paths, chosen=chosen)
    if not chosen:
        files = tuple(path for path in files if _share(path, settings, lambda line: _PREFIX in line) > 0.5)
    for path in files:
        check_encoding(path, settings.encoding)
    return LabelledLines(files, settings) if files else None


def find_libmultilabel(paths: Sequence[Path], settings: SourceSettings) -> LibMultiLabel | None:
    """Find text files of two or three columns, with TABs between, the labels before the text."""
    chosen = settings.kind is not None
    files = _text_files(paths, chosen=chosen, more=(".tsv",))
    if not files:
        return None
    counts = {_tabs(path, settings) for path in files}
    if not chosen and (not counts <= {1, 2} or len(counts) != 1):
        return None
    made = LibMultiLabel(files, settings, has_ids=2 in counts)
    if not chosen and not _labels_stand_first(made):
        return None
    for path in files:
        check_encoding(path, settings.encoding)
    return made


def find_text2text(paths: Sequence[Path], settings: SourceSettings) -> Text2Text | None:
    """Find a folder with training-data.txt or test-data.txt, and output-labels.txt."""
    files, labels = files_named(paths, *_TEXT2TEXT), files_named(paths, _OUTPUT_LABELS)
    return Text2Text(files, settings, labels[0]) if files and labels else None


def _bare(label: str) -> str:
    return label.rstrip(",")


def _text_files(paths: Sequence[Path], *, chosen: bool, more: Sequence[str] = ()) -> tuple[Path, ...]:
    """Collect .txt files, and those whose suffix is none: none at all, or a split."""
    suffixes = (".txt", ".ft", ".fasttext", *more)
    if all(path.is_file() and (suffix_of(path) in suffixes or _is_bare(path)) for path in paths):
        return tuple(sorted(paths))
    inside = [file for path in paths if path.is_dir() for file in sorted(path.iterdir()) if file.is_file()]
    if bare := tuple(file for file in inside if _is_bare(file) and split_word(file.suffix[1:])):
        return bare
    return files_with(suffixes, paths, chosen=chosen)


def _is_bare(path: Path) -> bool:
    suffix = suffix_of(path)
    return not is_compressed(path) and (not suffix or split_word(suffix[1:]) is not None)


def _sampled(path: Path, settings: SourceSettings) -> list[str]:
    with opened(path, settings.encoding) as file:
        lines = [line for _, line in zip(range(_SAMPLED), file, strict=False)]
    return [line.decode(errors="replace").rstrip("\r\n") for line in lines if line.strip()]


def _share(path: Path, settings: SourceSettings, holds: Any) -> float:
    lines = _sampled(path, settings)
    return sum(map(holds, lines)) / len(lines) if lines else 0


def _tabs(path: Path, settings: SourceSettings) -> int:
    """Count the TABs of a line; 0 where lines differ."""
    counts = {line.count("\t") for line in _sampled(path, settings)}
    return counts.pop() if len(counts) == 1 else 0


def _labels_stand_first(source: LibMultiLabel) -> bool:
    """Tell whether the column before the last holds labels: shorter than texts, and its words come again."""
    rows = [line.split("\t") for path in source.files for line in _sampled(path, source.settings)]
    words = [word for row in rows for word in row[-2].split()]
    header = {"text", "labels", "label", "id", source.settings.labels_fields[0]}
    if not words or header.intersection(cell.strip().lower() for cell in rows[0]) or "<http" in rows[0][-1]:
        return False
    longer = sum(len(row[-1].split()) > len(row[-2].split()) for row in rows) / len(rows)
    return longer > 0.7 and len(set(words)) < len(words)


def _names(path: Path) -> list[str]:
    try:
        return [decoded(line) for line in rows_of(path)]
    except BadRecordError as error:
        raise DataError(f"{path}: {error}") from None


def _numbered(line: bytes, names: Sequence[str], default_id: str, split: str | None) -> Record:
    numbers, tab, text = decoded(line).partition("\t")
    if not tab:
        raise BadRecordError(f"{numbers[:40]!r}: must be numbers of labels with commas between, a TAB and a text")
    labels = [
        names[parse_number(number.strip(), len(names), "label")] for number in numbers.split(",") if number.strip()
    ]
    return Record(default_id, text, tuple(labels), split)
