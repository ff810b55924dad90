"""Read PECOS folders: texts with a sparse matrix of labels."""

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.sparse import load_npz

from ..errors import BadRecordError, DataError
from ..records import Record
from .aligned import aligned, numbered_texts, rows_of
from .files import files_named
from .lines import decoded
from .source import Piece, Source, SourceSettings, attempt


@dataclass(frozen=True)
class Pecos(Source):
    """`X.trn.txt` and `Y.trn.npz`; positions count lines.

    A label's name is its number, its text the line of `output-items.txt`.
    """

    def read(self, piece: Piece) -> Iterator[tuple[int, Record | BadRecordError]]:
        path = self.files[piece.file]
        labels = _labels_beside(path)
        split, prefix = self.split_of(piece.file), self.prefix(piece.file)
        for row, text, numbers in aligned(path, rows_of(path), labels, _rows(labels)):
            yield row, attempt(_record, text, numbers, f"{prefix}:{row}", split)

    def where(self, file: int, position: int) -> str:
        return f"{self.name(file)}:{position + 1}"

    def label_texts(self) -> Mapping[str, str]:
        path = self._items()
        return numbered_texts(path) if path.is_file() else {}

    def companions(self) -> tuple[Path, ...]:
        return (*super().companions(), *map(_labels_beside, self.files), self._items())

    def _items(self) -> Path:
        return self.files[0].parent / "output-items.txt"


def find_pecos(paths: Sequence[Path], settings: SourceSettings) -> Pecos | None:
    """Find a folder with X.trn.txt or X.tst.txt."""
    files = files_named(paths, ("X.trn.txt",), ("X.tst.txt",))
    return Pecos(files, settings) if files else None


def _labels_beside(path: Path) -> Path:
    return path.with_name(f"Y{path.name[1:]}").with_suffix(".npz")


def _rows(path: Path) -> Iterator[list[int]]:
    """Yield the labels of each row of a matrix."""
    matrix = _matrix(path)
    for start, stop in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        yield matrix.indices[start:stop][matrix.data[start:stop] != 0].tolist()


def _matrix(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            matrix = load_npz(file)  # which never unpickles
        if matrix.format != "csr":
            raise DataError(f"{path}: is a matrix in {matrix.format} form: save it as csr")
        # Only this looks at every index, and whether rows begin where others end.
        matrix.check_format(full_check=True)
    except (OSError, EOFError, ValueError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as a sparse matrix: {error}") from error
    return matrix


def _record(text: bytes, labels: list[int], default_id: str, split: str | None) -> Record:
    return Record(default_id, decoded(text), tuple(map(str, labels)), split)
