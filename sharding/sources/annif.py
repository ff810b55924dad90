"""Read Annif's folders of full texts: a .txt file a document, its subjects in a .tsv or .key file of its name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadRecordError
from ..records import Record
from .aligned import rows_of
from .label_values import unbracketed
from .lines import decoded, opened
from .source import Piece, Source, SourceSettings, attempt

_SUBJECTS = (".tsv", ".key")


@dataclass(frozen=True)
class FullTexts(Source):
    """A file a record, whose id is the file's name; the text is all of it."""

    def read(self, piece: Piece) -> Iterator[tuple[int, Record | BadRecordError]]:
        yield 0, attempt(self._record, piece.file)

    def companions(self) -> tuple[Path, ...]:
        return (*super().companions(), *filter(None, map(_subjects, self.files)))

    def _record(self, file: int) -> Record:
        path = self.files[file]
        with opened(path, self.settings.encoding) as opened_file:
            text = decoded(opened_file.read().removeprefix(b"\xef\xbb\xbf")).strip()
        subjects = _subjects(path)
        lines = [decoded(line) for line in rows_of(subjects)] if subjects else []
        labels = (unbracketed(line.partition("\t")[0].strip()) for line in lines)
        return Record(self.prefix(file), text, tuple(label for label in labels if label), self.split_of(file))


def find_full_texts(paths: Sequence[Path], settings: SourceSettings) -> FullTexts | None:
    """Find folders whose .txt files have a .tsv or .key file of the same name beside them."""
    if settings.kind is None or not all(path.is_dir() for path in paths):
        return None
    files = sorted(file for path in paths for file in path.rglob("*.txt") if _subjects(file))
    return FullTexts(tuple(files), settings) if files else None


def has_full_texts(path: Path) -> bool:
    """Tell whether a folder looks like one of full texts."""
    return path.is_dir() and any(_subjects(file) for file in path.glob("*.txt"))


def _subjects(path: Path) -> Path | None:
    return next((beside for suffix in _SUBJECTS if (beside := path.with_suffix(suffix)).is_file()), None)
