"""Turn the fields of a table row into a record."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from ..errors import DataError
from ..records import Record, fault, is_text, split_of, string_of
from .source import SourceSettings


def check_columns(place: str, found: Collection[str], settings: SourceSettings) -> None:
    """Raise a DataError, with the option that helps, where a table lacks the column of texts or of labels."""
    options = {"--text-field": settings.text_field, "--labels-field": settings.labels_field}
    for option, column in options.items():
        if column not in found:
            raise DataError(f"{place}: has no column {column!r}, only {', '.join(found)}: name it with {option}")


def record_of(fields: Mapping[str, Any], settings: SourceSettings, default_id: str, split: str | None) -> Record:
    """Make a record of a row; BadRecordError says which field cannot be used.

    A row without the field of ids gets `default_id`; `split` is for those that name none themselves. Labels are a list
    of strings or whole numbers, a JSON list in a string, one number, or a string with separators.
    """
    own_split = split_of(fields, settings.split_field) if fields.get(settings.split_field) else None
    return Record(
        _id(fields, settings.id_field) if settings.id_field in fields else default_id,
        string_of(fields, settings.text_field),
        _labels(fields, settings.labels_field, settings.label_separator),
        settings.split or own_split or split,
    )


def _id(fields: Mapping[str, Any], key: str) -> str:
    value = fields[key]
    if not _is_name(value):
        raise fault(fields, key, "a string or a whole number")
    return str(value)


def _labels(fields: Mapping[str, Any], key: str, separator: str) -> tuple[str, ...]:
    value = fields.get(key)
    if isinstance(value, str):
        value = _listed(value) if value.startswith("[") else _separated(value, separator)
    elif _is_name(value):
        value = [value]
    if not isinstance(value, list) or not all(map(_is_name, value)):
        raise fault(fields, key, f"a list of strings, or a string with {separator!r} between labels")
    return tuple(map(str, value))


def _listed(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _separated(value: str, separator: str) -> list[str]:
    return [label for part in value.split(separator) if (label := part.strip())]


def _is_name(value: Any) -> bool:
    return is_text(value) or (isinstance(value, int) and not isinstance(value, bool))
