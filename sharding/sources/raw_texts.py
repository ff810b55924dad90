"""Read folders with a file of texts and a file of labels, one line a record in both."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadRecordError
from ..records import Record
from .aligned import aligned, rows_of
from .files import files_named
from .lines import decoded
from .source import Piece, Source, SourceSettings, attempt


@dataclass(frozen=True)
class RawTexts(Source):
    """`train_raw_texts.txt` and `train_labels.txt`, names of labels with blanks between; positions count lines."""

    def read(self, piece: Piece) -> Iterator[tuple[int, Record | BadRecordError]]:
        path = self.files[piece.file]
        labels = _labels_beside(path)
        split, prefix = self.split_of(piece.file), self.prefix(piece.file)
        for row, text, names in aligned(path, rows_of(path), labels, rows_of(labels)):
            yield row, attempt(_record, text, names, f"{prefix}:{row}", split)

    def where(self, file: int, position: int) -> str:
        return f"{self.name(file)}:{position + 1}"

    def companions(self) -> tuple[Path, ...]:
        return (*super().companions(), *map(_labels_beside, self.files))


def find_raw_texts(paths: Sequence[Path], settings: SourceSettings) -> RawTexts | None:
    """Find a folder with the texts of train, test or both; tokenized ones only where there are no raw ones."""
    files = files_named(paths, *((f"{part}_raw_texts.txt", f"{part}_texts.txt") for part in ("train", "test")))
    return RawTexts(files, settings) if files else None


def _labels_beside(path: Path) -> Path:
    return path.with_name(f"{path.name.partition('_')[0]}_labels.txt")


def _record(text: bytes, labels: bytes, default_id: str, split: str | None) -> Record:
    return Record(default_id, decoded(text), tuple(decoded(labels).split()), split)
