"""Look at a sample of rows, and settle how labels stand in them; what cannot be read rightly is refused."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import DataError
from .fields import nested
from .label_values import MISSING, LabelForm, angled, is_bracketed, listed
from .separators import CANDIDATES, check_lone_items, check_separator, separator_of
from .source import SourceSettings

_SCORED = re.compile(r".+:\s*(?:0?\.\d+|1\.0+|0\.0+|0|1)$", re.DOTALL)
_FRACTION = re.compile(r".+:\s*\d?\.\d+$", re.DOTALL)
_FLOAT = re.compile(r"\d+\.0")
_BITS = frozenset({0, 1, "0", "1", "0.0", "1.0", "0.", "1."})
_JSON = '{"'


@dataclass(frozen=True)
class Sample:
    """Rows of a source that were looked at, and the name of what they are from, for messages."""

    name: str
    rows: Sequence[Mapping[str, Any]]

    def values(self, key: str) -> list[Any]:
        """Give the values of a field, without those that are missing."""
        found = [row[key] if key in row else nested(row, key) for row in self.rows]
        return [value for value in found if value is not None]


def settle(sample: Sample, settings: SourceSettings, form: LabelForm) -> LabelForm:
    """Settle from a sample how labels stand in their field.

    Args:
        sample: Some rows.
        settings: What was asked for.
        form: What is known without a look at values.

    Raises:
        DataError: Values would come out wrong; the error says what to do.
    """
    _check_ids(sample, settings)
    if settings.label_columns or not settings.labelled:
        return form
    for key in settings.labels_fields:
        _check_column(sample, key, settings)
        form = _settle_field(sample, key, settings, form)
    _check_repeats(sample, settings)
    return replace(form, key=settings.label_key)


def with_marked_columns(sample: Sample, settings: SourceSettings) -> SourceSettings:
    """Take columns of 0 and 1 for labels where there is nothing else that could be theirs, and none was named."""
    if settings.label_columns or not settings.labelled:
        return settings
    return replace(settings, label_columns=_marked_columns(sample, settings))


def marked_columns(rows: Sequence[Mapping[str, Any]], settings: SourceSettings) -> tuple[list[str], list[str]]:
    """Give the columns that hold only 0 and 1, and the others, those of id, text and split left out."""
    own = {settings.id_field, settings.split_field, *settings.text_fields, ""}
    columns = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in own]
    marked = [name for name in columns if all(_is_bit(row.get(name)) for row in rows)]
    return marked, [name for name in columns if name not in marked]


def _marked_columns(sample: Sample, settings: SourceSettings) -> tuple[str, ...]:
    """Find the columns of 0 and 1 that stand for labels where nobody has named a field of labels and there is none."""
    if settings.labels_field != SourceSettings.labels_field or not sample.rows:
        return ()
    if any(settings.labels_field in row for row in sample.rows):
        return ()
    marked, others = marked_columns(sample.rows, settings)
    return tuple(marked) if len(marked) > 1 and not others else ()


def _is_bit(value: Any) -> bool:
    return isinstance(value, bool | int | float | str) and (value in _BITS or value in ("True", "False"))


def _check_ids(sample: Sample, settings: SourceSettings) -> None:
    ids = [value for value in sample.values(settings.id_field) if value != ""]
    if ids and all(isinstance(value, str) and _FLOAT.fullmatch(value) for value in ids):
        raise _floats(sample.name, settings.id_field, ids[0])


def _floats(name: str, key: str, value: object) -> DataError:
    return DataError(
        f"{name}: '{key}' holds numbers such as {value}, whole numbers that became floats: "
        "read that column as text (dtype=str) and write the file again"
    )


def _settle_field(sample: Sample, key: str, settings: SourceSettings, form: LabelForm) -> LabelForm:
    values = sample.values(key)
    if form.is_table:
        values = [value for value in values if not (isinstance(value, str) and value.strip() in MISSING)]
    _check_vectors(sample.name, key, values)
    strings = [value for value in values if isinstance(value, str) and value.strip()]
    if not strings or len(strings) * 2 < len(values):
        lists = [value for value in values if isinstance(value, list)]
        _check_items(sample.name, key, [item for value in lists for item in value])
        check_lone_items(sample.name, key, lists)
        return form
    form = _settle_strings(sample.name, key, strings, settings, form)
    _check_items(sample.name, key, _items(strings, form))
    return form


def _settle_strings(
    name: str, key: str, strings: Sequence[str], settings: SourceSettings, form: LabelForm
) -> LabelForm:
    asked = settings.label_separator
    if all(angled(value) is not None for value in strings):
        return replace(form, style="angle")
    if asked is None and all(is_bracketed(value) and not value.startswith(_JSON) for value in strings):
        for value in strings:
            _check_listed(name, key, value)
        return replace(form, style="bracketed")
    if asked is None and all(word.startswith("__label__") for value in strings for word in value.split()):
        return replace(form, style="fasttext", separator=" ")
    plain = [value for value in strings if not value.startswith(("[", _JSON))]
    for candidate in CANDIDATES:
        _check_items(name, key, [part.strip() for value in plain for part in value.split(candidate) if part.strip()])
    if asked is not None:
        check_separator(name, key, plain, asked)
        return replace(form, separator=asked)
    return replace(form, separator=separator_of(name, key, plain))


def _check_listed(name: str, key: str, value: str) -> None:
    try:
        listed(value.strip())
    except ValueError as error:
        raise DataError(f"{name}: '{key}' is {value[:60]!r}: must be {error}") from None


def _check_vectors(name: str, key: str, values: Sequence[Any]) -> None:
    """Refuse vectors of 0 and 1, of one length, which would become labels called 0 and 1."""
    vectors = [_vector(value) for value in values]
    lengths = {len(vector) for vector in vectors if vector is not None}
    if not vectors or None in vectors or len(lengths) != 1:
        return
    length = lengths.pop()
    twice = any(len(set(map(str, vector))) < len(vector) for vector in vectors if vector)
    if length > 1 and twice and all(item in _BITS for vector in vectors for item in vector or ()):
        raise DataError(
            f"{name}: '{key}' holds multi-hot vectors of {length} values 0 and 1: labels must be names, or numbers of "
            "labels: write the names of those that are 1, or a column for each label and name them by --label-columns"
        )


def _vector(value: Any) -> list[Any] | None:
    if isinstance(value, str):
        words = re.sub(r"[\[\](),;|]|array", " ", value).split()
        if len(words) == 1 and len(words[0]) > 2 and set(words[0]) <= {"0", "1"} and "[" not in value:
            return list(words[0])
        return list(words) if words and set(words) <= _BITS else None
    return value if isinstance(value, list) and value and all(isinstance(item, int | float) for item in value) else None


def _check_column(sample: Sample, key: str, settings: SourceSettings) -> None:
    """Refuse one column of 0 and 1 among others of that kind: each is a label, and not the field of labels."""
    marked, _ = marked_columns(sample.rows, settings)
    if key in marked and len(marked) > 1:
        raise DataError(
            f"{sample.name}: '{key}' holds 0 and 1, as do {len(marked) - 1} other columns: if each is a label, say "
            f"--label-columns {','.join(marked[:3])}{',...' if len(marked) > 3 else ''}"
        )


def _items(strings: Sequence[str], form: LabelForm) -> list[str]:
    found: list[str] = []
    for value in strings:
        try:
            found += form.names(value)
        except ValueError:
            continue  # one bad record; the conversion says which
    return found


def _check_items(name: str, key: str, items: Sequence[Any]) -> None:
    """Refuse labels that carry a score, and codes that have become floats."""
    words = [item for item in items if isinstance(item, str)]
    if not words or len(words) < len(items):
        return
    if all(_FLOAT.fullmatch(word) for word in words):
        raise _floats(name, key, words[0])
    if all(map(_SCORED.fullmatch, words)) and any(map(_FRACTION.fullmatch, words)):
        raise DataError(
            f"{name}: '{key}' holds labels with scores, such as {words[0]!r}: keep those above a threshold, "
            "and leave out the scores"
        )


def _check_repeats(sample: Sample, settings: SourceSettings) -> None:
    """Refuse one row for each pair of a text and a label: a text would be a record again and again."""
    labels_of: defaultdict[str, set[str]] = defaultdict(set)
    rows: Counter[str] = Counter()
    for row in sample.rows:
        text = "\n".join(str(row.get(key, nested(row, key)) or "") for key in settings.text_fields)
        labels_of[text].add(str([row.get(key, nested(row, key)) for key in settings.labels_fields]))
        rows[text] += bool(text.strip())
    repeated = [text for text, count in rows.items() if count > 1 and len(labels_of[text]) == count and text.strip()]
    covered = sum(rows[text] for text in repeated)
    if covered * 2 > len(sample.rows) > 2:
        raise DataError(
            f"{sample.name}: a text stands in several rows, each with other labels, such as {repeated[0][:60]!r}: "
            "a row must have all labels of its text: group the rows by text, and join the labels"
        )
