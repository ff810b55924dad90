"""Read label texts (names and descriptions) from .tsv files."""

from collections.abc import Iterator
from pathlib import Path

from ..errors import DataError
from ..sources import read_pairs


def read_label_texts(path: Path) -> dict[str, str]:
    """Read a .tsv or .tsv.gz file of lines "label TAB text"; DataError names the line that is none.

    A label whose text is empty has none.
    """
    return {label: text for _, label, text in _pairs(path) if text}


def read_new_labels(path: Path) -> dict[str, str | None]:
    """Read new labels, each with its text or None, from such a file as `read_label_texts` reads.

    Raises:
        DataError: There is no label, a line is no pair, or a label stands twice; the error names the line.
    """
    labels: dict[str, str | None] = {}
    for where, label, text in _pairs(path):
        if label in labels:
            raise DataError(f"{where}: label {label!r}: stands on an earlier line already")
        labels[label] = text or None
    if not labels:
        raise DataError(f"{path}: holds no label")
    return labels


def _pairs(path: Path) -> Iterator[tuple[str, str, str]]:
    return read_pairs(path, "a label", "its text")
