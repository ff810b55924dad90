"""Read .json files that hold an array of records, a table by columns, or one record each."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadRecordError, DataError
from .exports import flattened
from .fields import FieldReader
from .files import files_with
from .jsonl import SUFFIXES, begins_with, is_lines
from .lines import check_encoding, opened
from .source import Piece, SourceSettings
from .tabular import Row, Tabular


@dataclass(frozen=True)
class JsonDocuments(Tabular):
    """Files that are read as a whole; positions count records, and no file is cut."""

    def rows(self, piece: Piece) -> Iterator[Row]:
        for position, value in enumerate(_records(self.files[piece.file], self.settings.encoding)):
            if isinstance(value, dict):
                yield position, flattened(value)
            else:
                yield position, BadRecordError(f"is {json.dumps(value)[:60]}: must be a JSON object")


def find_json_documents(paths: Sequence[Path], settings: SourceSettings) -> JsonDocuments | None:
    """Find .json files that hold no lines, and files of lines that turn out to be an array."""
    chosen, encoding = settings.kind is not None, settings.encoding
    files = files_with((".json", *SUFFIXES), paths, chosen=chosen)
    if not chosen:
        files = tuple(path for path in files if begins_with(path, encoding) in b"[{" and not is_lines(path, encoding))
        if len(files) < len(files_with((".json", *SUFFIXES), paths, chosen=False)):
            return None
    for path in files:
        check_encoding(path, encoding)
    return JsonDocuments(files, settings, FieldReader(settings)) if files else None


def _records(path: Path, encoding: str) -> Sequence[Any]:
    with opened(path, encoding) as file:
        try:
            value = json.loads(file.read().decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: is neither JSON nor JSON lines: {error}") from None
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        raise DataError(f"{path}: is {json.dumps(value)[:60]}: must be a JSON object, or an array of them")
    lists = [item for item in value.values() if isinstance(item, list) and item and all(map(_is_object, item))]
    if len(lists) == 1:  # {"version": 1, "data": [{...}, ...]}
        return lists[0]
    return _by_row(value) or [value]


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _by_row(table: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Turn a table by columns, as pandas writes it, into rows: {"text": {"0": "a", "1": "b"}, ...}."""
    columns = list(table.values())
    if len(columns) < 2 or not all(map(_is_object, columns)) or len({tuple(column) for column in columns}) != 1:
        return None
    return [{name: column[key] for name, column in table.items()} for key in columns[0]]
