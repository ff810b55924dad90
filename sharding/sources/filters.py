"""Read the filter files of the extreme-classification repository: pairs of numbers of a record and a label."""

from collections.abc import Iterator
from pathlib import Path

from ..errors import BadRecordError, DataError
from .features import parse_number
from .files import files_named
from .lines import read_lines

_NAMES = {
    "trn": ("filter_labels_train.txt", "trn_filter_labels.txt"),
    "tst": ("filter_labels_test.txt", "tst_filter_labels.txt"),
}


def filter_file(records: Path) -> Path | None:
    """Find the filter file beside a file of records whose name begins with trn or tst."""
    return next(iter(files_named([records.parent], _NAMES[records.name[:3]])), None)


def number_pairs(path: Path, num_records: int, num_labels: int) -> Iterator[tuple[int, int]]:
    """Yield (number of a record, number of a label); DataError names a line that is no such pair."""
    for where, line in read_lines(path):
        record, _, label = " ".join(line.decode(errors="replace").split()).partition(" ")
        try:
            yield parse_number(record, num_records, "record"), parse_number(label, num_labels, "label")
        except BadRecordError as error:
            raise DataError(f"{where}: {error}: a line is a record, a blank and a label") from None
