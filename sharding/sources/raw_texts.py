"""Read folders with a file of texts and a file of labels, one line a record in both."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import BadRecordError
from ..records import Record
from .aligned import aligned, rows_of
from .files import files_named
from .lines import check_encoding, decoded
from .source import Piece, Source, SourceSettings, attempt

_SAMPLED = 1000


@dataclass(frozen=True)
class RawTexts(Source):
    """`train_raw_texts.txt` and `train_labels.txt`, names of labels with blanks between; positions count lines.

    separator: Between labels, where it is no blank.
    """

    separator: str | None = None

    def read(self, piece: Piece) -> Iterator[tuple[int, Record | BadRecordError]]:
        path = self.files[piece.file]
        labels, encoding = _labels_beside(path), self.settings.encoding
        split, prefix = self.split_of(piece.file), self.prefix(piece.file)
        for row, text, names in aligned(
            path, rows_of(path, encoding=encoding), labels, rows_of(labels, encoding=encoding)
        ):
            yield row, attempt(_record, text, names, self.separator, f"{prefix}:{row}", split)

    def understood(self) -> dict[str, Any]:
        return {**super().understood(), "separator": self.separator or "blanks"}

    def where(self, file: int, position: int) -> str:
        return f"{self.name(file)}:{position + 1}"

    def companions(self) -> tuple[Path, ...]:
        return (*super().companions(), *map(_labels_beside, self.files))


def find_raw_texts(paths: Sequence[Path], settings: SourceSettings) -> RawTexts | None:
    """Find a folder with the texts of train, test or both; tokenized ones only where there are no raw ones."""
    files = files_named(paths, *((f"{part}_raw_texts.txt", f"{part}_texts.txt") for part in ("train", "test")))
    if not files:
        return None
    for path in files:
        check_encoding(path, settings.encoding)
        check_encoding(_labels_beside(path), settings.encoding)
    return RawTexts(files, settings, settings.label_separator or _separator(files, settings.encoding))


def _separator(files: Sequence[Path], encoding: str) -> str | None:
    """Tell whether commas, semicolons or TABs stand between labels, and not blanks."""
    lines = [line.decode(errors="replace") for path in files for line in _first(_labels_beside(path), encoding)]
    for candidate in ("\t", ";", ","):
        holding = [line for line in lines if candidate in line]
        bare = all(not line.replace(f"{candidate} ", candidate).count(" ") for line in holding)
        if (
            holding
            and (bare or candidate == "\t")
            and all(" " not in line.strip() or candidate in line for line in lines)
        ):
            return candidate
    return None


def _first(path: Path, encoding: str) -> Iterator[bytes]:
    return islice(rows_of(path, encoding=encoding), _SAMPLED)


def _labels_beside(path: Path) -> Path:
    return path.with_name(f"{path.name.partition('_')[0]}_labels.txt")


def _record(text: bytes, labels: bytes, separator: str | None, default_id: str, split: str | None) -> Record:
    names = (name.strip() for name in decoded(labels).split(separator))
    return Record(default_id, decoded(text), tuple(name for name in names if name), split)
