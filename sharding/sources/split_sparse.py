"""Read extreme-classification folders with `trn_X_Y.txt` and `tst_X_Y.txt`, and texts or features beside them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadRecordError
from ..records import Record
from .aligned import aligned, numbered_texts, rows_of
from .features import FeatureNames, check_base, check_header, feature_names, parse_weights, read_header
from .files import files_named
from .filters import filter_file, number_pairs
from .lines import decoded
from .source import Piece, Source, SourceSettings, attempt

_LABELS = ("records", "labels")


@dataclass(frozen=True)
class SplitSparse(Source):
    """Labels as a sparse matrix, texts as `trn_X.txt` or as the names of features; positions count records.

    A label's name is its number, its text the line of `Y.txt`.
    """

    def read(self, piece: Piece) -> Iterator[tuple[int, Record | BadRecordError]]:
        path = self.files[piece.file]
        labels = _labels_beside(path)
        num_records, num_labels = read_header(labels, _LABELS)
        names = self._feature_names(path)
        split, prefix = self.split_of(piece.file), self.prefix(piece.file)
        row = -1
        rows = aligned(path, rows_of(path, header=names is not None), labels, rows_of(labels, header=True))
        for row, text, label in rows:
            yield row, attempt(_record, text, label, names, num_labels, f"{prefix}:{row}", split)
        check_header(labels, num_records, row + 1)

    def pieces(self, target_bytes: int) -> list[Piece]:
        with_features = [path for path in self.files if _holds_features(path)]
        if with_features and self.settings.feature_names:
            check_base(
                with_features, (row for path in with_features for row in rows_of(path, header=True)), self.settings
            )
        return super().pieces(target_bytes)

    def where(self, file: int, position: int) -> str:
        header = _holds_features(self.files[file])
        return f"{self.name(file)}:{position + 1 + header}"

    def label_texts(self) -> Mapping[str, str]:
        path = self._label_texts()
        return numbered_texts(path) if path.is_file() else {}

    def companions(self) -> tuple[Path, ...]:
        filters = filter(None, map(filter_file, self.files))
        return (*super().companions(), *map(_labels_beside, self.files), self._label_texts(), *filters)

    def filter_pairs(self) -> Iterator[tuple[str, str]]:
        for file, path in enumerate(self.files):
            if filters := filter_file(path):
                for record, label in number_pairs(filters, *read_header(_labels_beside(path), _LABELS)):
                    yield f"{self.prefix(file)}:{record}", str(label)

    def _label_texts(self) -> Path:
        return self.files[0].parent / "Y.txt"

    def _feature_names(self, path: Path) -> FeatureNames | None:
        if not _holds_features(path):
            return None
        return feature_names(self.settings, path, read_header(path, ("records", "features"))[1])


def find_split_sparse(paths: Sequence[Path], settings: SourceSettings) -> SplitSparse | None:
    """Find a folder with the texts of trn, tst or both, and features only where there are no texts."""
    files = files_named(paths, *((f"{part}_X.txt", f"{part}_X_Xf.txt") for part in ("trn", "tst")))
    return SplitSparse(files, settings) if files else None


def _holds_features(path: Path) -> bool:
    return path.name.endswith("_X_Xf.txt")


def _labels_beside(path: Path) -> Path:
    return path.with_name(f"{path.name[:3]}_X_Y.txt")


def _record(
    text: bytes, labels: bytes, names: FeatureNames | None, num_labels: int, default_id: str, split: str | None
) -> Record:
    marked = parse_weights(decoded(labels).split(), num_labels, "label")
    words = decoded(text)
    return Record(
        default_id,
        names.text_of(words.split()) if names else words,
        tuple(str(label) for label, weight in marked if weight),
        split,
    )
