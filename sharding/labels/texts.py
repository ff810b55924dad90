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


def _label_text(where: str, line: bytes) -> tuple[str, str]:
    try:
        label, text = line.decode().split("\t", maxsplit=1)
    except ValueError:
        raise DataError(f"{where}: {line[:60]!r}: must be a label, a TAB and its text, in UTF-8") from None
    return label, text
