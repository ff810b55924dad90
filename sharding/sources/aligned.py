"""Read parallel files in step: row i of one file belongs to row i of all."""

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from ..errors import BadRecordError, DataError
from .lines import UTF_8, decoded, lines_at


def rows_of(path: Path, *, header: bool = False, encoding: str = UTF_8) -> Iterator[bytes]:
    """Yield every line, also an empty one, and not the header where there is one."""
    lines = (line for _, line in lines_at(path, encoding=encoding))
    if header:
        next(lines, None)
    return lines


def aligned(
    text_path: Path, texts: Iterable[bytes], label_path: Path, labels: Iterable[Any]
) -> Iterator[tuple[int, bytes, Any]]:
    """Yield (row number, text, labels); DataError when one of the two ends before the other."""
    for row, (text, label) in enumerate(zip_longest(texts, labels)):
        if text is None or label is None:
            short, long = (text_path, label_path) if text is None else (label_path, text_path)
            raise DataError(
                f"{short}: ends after {row} records, but {long} goes on: fetch both again, they belong together"
            )
        yield row, text, label


def numbered_texts(path: Path) -> dict[str, str]:
    """Read the texts of labels whose names are their numbers: line i is label i, an empty one has no text."""
    try:
        texts = [decoded(line) for line in rows_of(path)]
    except BadRecordError as error:
        raise DataError(f"{path}: {error}: must be the text of a label on each line") from None
    return {str(label): text for label, text in enumerate(texts) if text}
