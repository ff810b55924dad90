"""Decides how a JSON-lines file becomes records."""

from collections.abc import Iterator
from pathlib import Path

from ..errors import BadRecordError
from ..records import Record, Rejections, parse_record
from .lines import read_lines


def read_records(path: Path, rejections: Rejections, *, labelled: bool = True) -> Iterator[tuple[str, Record]]:
    """Yield ("file:line", record) from a .jsonl or .jsonl.gz file; what is no record goes to `rejections`."""
    for where, line in read_lines(path):
        try:
            record = parse_record(line, labelled=labelled)
        except BadRecordError as error:
            rejections.add(BadRecordError(f"{where}: {error}"))
        else:
            yield where, record
