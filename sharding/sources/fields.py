"""The one reader of fields: how the values of a row, of whatever source, become id, text, labels and split."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import DataError, LeftOutError
from ..records import Record, fault, given_of, is_text
from .files import split_word
from .label_values import MISSING, LabelForm, is_name
from .source import SourceSettings

_MARKED = {1: True, 0: False, "1": True, "0": False, "1.0": True, "0.0": False, "": False, None: False}
_MARKS = _MARKED | {"true": True, "false": False, "yes": True, "no": False, "x": True, "y": True, "n": False}


@dataclass(frozen=True)
class FieldReader:
    """Makes records of rows.

    Attributes:
        settings: The names of fields.
        form: How labels stand in their field.
    """

    settings: SourceSettings
    form: LabelForm = field(default_factory=LabelForm)

    def record(self, fields: Mapping[str, Any], default_id: str, split: str | None) -> Record:
        """Make a record of a row; `default_id` and `split` are for a row that names none.

        Raises:
            BadRecordError: A field cannot be used; the error names it.
            LeftOutError: The row is none that counts: a table's row without a text.
        """
        settings = self.settings
        own = fields.get(settings.split_field) if settings.split_field in fields else None
        return Record(
            self._id(fields, default_id),
            self._text(fields),
            self._labels(fields),
            settings.split or (own and self._split(fields, own)) or split,
            () if self.settings.labelled else given_of(fields),
        )

    def _id(self, fields: Mapping[str, Any], default_id: str) -> str:
        key = self.settings.id_field
        value = fields.get(key)
        if is_text(value) and value:
            return value
        if value is None and key not in fields:
            value = nested(fields, key)
            if value is None:
                return default_id
        if isinstance(value, str) and self.form.is_table and value in MISSING:
            return default_id
        if not is_name(value):
            raise fault(fields, key, "a string or a whole number")
        return str(value)

    def _text(self, fields: Mapping[str, Any]) -> str:
        keys = self.settings.text_fields
        if len(keys) == 1:
            return self._one_text(fields, keys[0])
        texts = [self._one_text(fields, key, optional=True) for key in keys]
        if not any(texts) and self.form.is_table and self.settings.labelled:
            raise LeftOutError("has no text")
        return " ".join(text for text in texts if text)

    def _one_text(self, fields: Mapping[str, Any], key: str, *, optional: bool = False) -> str:
        value = fields.get(key)
        if value is None and key not in fields:
            value = nested(fields, key)
        if self.form.is_table and (value is None or (isinstance(value, str) and value.strip() in MISSING)):
            if optional or not self.settings.labelled:
                return ""
            raise LeftOutError("has no text")
        if value is None and optional:
            return ""
        if not is_text(value):
            raise fault(_with(fields, key, value), key, "a string in UTF-8" if isinstance(value, str) else "a string")
        return value

    def _labels(self, fields: Mapping[str, Any]) -> tuple[str, ...]:
        if not self.settings.labelled:
            return ()
        if self.settings.label_columns:
            return tuple(column for column in self.settings.label_columns if self._is_marked(fields, column))
        keys = self.settings.labels_fields
        if len(keys) == 1:
            return self._one_field(fields, keys[0])
        found = [self._one_field(fields, key, optional=True) for key in keys]
        return tuple(dict.fromkeys(name for names in found for name in names))

    def _one_field(self, fields: Mapping[str, Any], key: str, *, optional: bool = False) -> tuple[str, ...]:
        value = fields.get(key)
        # The usual case, before anything is asked about it.
        if type(value) is list and not self.form.classes and all(map(is_text, value)):
            return tuple(value)
        if value is None and key not in fields:
            value = nested(fields, key)
        if value is None and (optional or self.form.is_table):
            return ()
        try:
            return self.form.names(value)
        except ValueError as error:
            raise fault(_with(fields, key, value), key, str(error)) from None

    def _is_marked(self, fields: Mapping[str, Any], column: str) -> bool:
        value = fields.get(column)
        marked = _MARKS.get(value.strip().lower() if isinstance(value, str) else value) if _hashable(value) else None
        if marked is None or column not in fields:
            raise fault(fields, column, "0 or 1, as is a column of --label-columns")
        return marked

    def _split(self, fields: Mapping[str, Any], own: Any) -> str | None:
        if isinstance(own, str) and own.strip() == "":
            return None
        if isinstance(own, str) and (split := split_word(own)):
            return split
        raise fault(fields, self.settings.split_field, "one of train, dev, test, or a usual word for one")


def nested(fields: Mapping[str, Any], path: str) -> Any:
    """Follow a name with dots into objects; None where it leads nowhere."""
    value: Any = fields
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def has_field(fields: Collection[str], path: str) -> bool:
    """Tell whether columns have a field, or the object that it is nested in."""
    return path in fields or path.partition(".")[0] in fields


def check_columns(place: str, found: Sequence[str], settings: SourceSettings, advice: str = "") -> None:
    """Raise a DataError, with the option that helps, where a table lacks the column of texts or of labels."""
    options = [("--text-field", settings.text_fields)]
    if not settings.labelled:
        pass
    elif settings.label_columns:
        options.append(("--label-columns", settings.label_columns))
    else:
        options.append(("--labels-field", settings.labels_fields))
    if settings.id_field not in {SourceSettings.id_field, ""}:
        options.append(("--id-field", (settings.id_field,)))
    for option, columns in options:
        for column in columns:
            if not has_field(found, column):
                near = next((name for name in found if _folded(name) == _folded(column)), "")
                hint = f": name it with {option} {near}".rstrip() if near else f": name it with {option}"
                raise DataError(f"{place}: has no column {column!r}, only {', '.join(found)}{hint}{advice}")


def _folded(name: str) -> str:
    return name.strip().casefold()


def _hashable(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _with(fields: Mapping[str, Any], key: str, value: Any) -> Mapping[str, Any]:
    return fields if key in fields or value is None else {**fields, key: value}
