"""Decides how the texts of labels are read."""

from pathlib import Path

from ..errors import DataError
from ..sources import read_lines


def read_label_texts(path: Path) -> dict[str, str]:
    """Read a .tsv or .tsv.gz file of lines "label TAB text"; DataError names the line that is none.

    A label whose text is empty has none.
    """
    read = (_label_text(where, line) for where, line in read_lines(path))
    return {label: text for label, text in read if text}


def read_new_labels(path: Path) -> dict[str, str | None]:
    """Read such a file for the labels themselves, each with its text or None.

    DataError when there is none, or names the line that is none or whose label came before.
    """
    labels: dict[str, str | None] = {}
    for where, line in read_lines(path):
        label, text = _label_text(where, line)
        if label in labels:
            raise DataError(f"{where}: label {label!r}: stands on an earlier line already")
        labels[label] = text or None
    if not labels:
        raise DataError(f"{path}: holds no label")
    return labels


def _label_text(where: str, line: bytes) -> tuple[str, str]:
    try:
        label, text = line.decode().split("\t", maxsplit=1)
    except ValueError:
        raise DataError(f"{where}: {line[:60]!r}: must be a label, a TAB and its text, in UTF-8") from None
    return label, text
