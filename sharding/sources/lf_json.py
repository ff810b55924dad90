"""Read the raw JSON texts of the extreme-classification repository, with texts for labels (LF data sets)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadRecordError, DataError
from ..records import Record, fault, parse_object, string_of
from .aligned import rows_of
from .files import files_named
from .filters import filter_file, number_pairs
from .source import Piece, Source, SourceSettings, attempt

_LABEL_FILES = ("lbl.json.gz", "lbl.json")
_RECORD_FILES = (("trn.json.gz", "trn.json"), ("tst.json.gz", "tst.json"))


@dataclass(frozen=True)
class LfJson(Source):
    """Objects with uid, title, perhaps content, and the numbers of their labels; positions count lines.

    A label's name is its uid, its text its title: of the file `labels`, whose line i is label i.
    """

    labels: Path

    def read(self, piece: Piece) -> Iterator[tuple[int, Record | BadRecordError]]:
        names = list(_labels(self.labels))
        split = self.split_of(piece.file)
        for row, line in enumerate(rows_of(self.files[piece.file])):
            yield row, attempt(_record, line, names, split)

    def where(self, file: int, position: int) -> str:
        return f"{self.name(file)}:{position + 1}"

    def label_texts(self) -> Mapping[str, str]:
        return {name: text for name, text in _labels(self.labels).items() if text}

    def companions(self) -> tuple[Path, ...]:
        return (*super().companions(), self.labels, *filter(None, map(filter_file, self.files)))

    def filter_pairs(self) -> Iterator[tuple[str, str]]:
        names = list(_labels(self.labels))
        for path in self.files:
            if filters := filter_file(path):
                ids = _ids(path)
                for record, label in number_pairs(filters, len(ids), len(names)):
                    yield ids[record], names[label]


def find_lf_json(paths: Sequence[Path], settings: SourceSettings) -> LfJson | None:
    """Find a folder with lbl.json and trn.json or tst.json, compressed or not."""
    labels = files_named(paths, _LABEL_FILES)
    files = files_named(paths, *_RECORD_FILES)
    return LfJson(files, settings, labels[0]) if labels and files else None


def _ids(path: Path) -> list[str]:
    try:
        return [string_of(parse_object(line), "uid") for line in rows_of(path)]
    except BadRecordError as error:
        raise DataError(f"{path}: {error}: the file of label filters counts on every record") from None


def _labels(path: Path) -> dict[str, str]:
    """Read the text of each label by its name, in the order of their numbers."""
    found: dict[str, str] = {}
    for number, line in enumerate(rows_of(path)):
        try:
            label = parse_object(line)
            name = string_of(label, "uid")
            found[name] = string_of(label, "title")
        except BadRecordError as error:
            raise DataError(f"{path}:{number + 1}: {error}") from None
        if len(found) <= number:
            raise DataError(f"{path}:{number + 1}: label {name!r}: there is one of this uid already: uids must differ")
    return found


def _record(line: bytes, names: list[str], split: str | None) -> Record:
    fields = parse_object(line)
    numbers = fields.get("target_ind")
    if not isinstance(numbers, list) or not all(type(n) is int and 0 <= n < len(names) for n in numbers):
        raise fault(fields, "target_ind", f"a list of numbers of labels, from 0 to {len(names) - 1}")
    text = f"{string_of(fields, 'title')} {string_of(fields, 'content') if fields.get('content') is not None else ''}"
    return Record(string_of(fields, "uid"), text.strip(), tuple(names[number] for number in numbers), split)
