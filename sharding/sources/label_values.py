"""Turn the value of a field, whatever type it has, into names of labels."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..records import is_text

# What tables write where nothing is known.
MISSING = frozenset({"", "nan", "NaN", "None", "none", "NULL", "null", "N/A", "n/a", "NA", "<NA>", "#N/A"})
_UNKNOWN = frozenset({"", "nan", "NaN", "None", "<NA>"})  # as Python writes it, whatever the format
SEPARATOR = "|"
# Keys that name a label where it is an object, in this order; one that only identifies it must be asked for.
_NAME_KEYS = ("name", "label", "title", "text", "value")
_IDENTIFIES = "uri"
_ANGLES = re.compile(r"\s*<([^<>]+)>\s*[,;|]?")
_BRACKETED = re.compile(r"[\[({].*[\])}]", re.DOTALL)
_CALLED = re.compile(r"(?:frozenset|set|array)\((.*)\)", re.DOTALL)
_ITEM = re.compile(
    r"""\s*(?:[ub]?'((?:[^'\\]|\\.)*)'|[ub]?"((?:[^"\\]|\\.)*)"|([^,'"\s\[\](){}][^,'"\[\](){}]*?))\s*(?:,|$)""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}
_FASTTEXT = "__label__"

LIST_ADVICE = "write labels as a list with commas, as .tolist() gives it, or with a separator"


@dataclass(frozen=True)
class LabelForm:
    """How labels stand in their field, as a sample shows it.

    Attributes:
        style: "plain" for lists, numbers and strings with a separator; "angle" for `<a><b>`; "bracketed" for sets and
            tuples as Python prints them; "fasttext" for `__label__a __label__b`.
        separator: Between labels in a string.
        key: The key that names a label, where labels are objects.
        classes: Names of the classes that numbers count.
        is_table: Whether words such as NaN, and empty cells, say that nothing is known.
    """

    style: str = "plain"
    separator: str = SEPARATOR
    key: str | None = None
    classes: tuple[str, ...] = ()
    is_table: bool = False

    def names(self, value: Any) -> tuple[str, ...]:
        """Give the names of labels; ValueError says what the value must be."""
        items = self._items(value)
        if not isinstance(items, list | tuple):
            raise ValueError(self._rule)  # noqa: TRY004 (a value of a file, not of a caller)
        if self.classes:
            return tuple(self._class_of(item) for item in items)
        names = tuple(self._name(item) for item in items)
        return tuple(name for name in names if name)

    @property
    def _rule(self) -> str:
        if self.classes:
            return f"numbers of classes, from 0 to {len(self.classes) - 1}"
        return f"a list of strings, or a string with {self.separator!r} between labels"

    def _items(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._of_string(value)
        if is_name(value):
            return [value]
        if isinstance(value, Mapping):
            return _chosen(value, self.key)
        return value

    def _of_string(self, value: str) -> list[Any]:
        stripped = value.strip()
        if stripped in (MISSING if self.is_table else _UNKNOWN):
            return []
        if self.style == "angle" and (found := angled(stripped)) is not None:
            return found
        if self.style == "fasttext":
            return [word.removeprefix(_FASTTEXT) for word in stripped.split()]
        if stripped.startswith("[") or (self.style == "bracketed" and is_bracketed(stripped)):
            return listed(stripped)
        if self.is_table and stripped.startswith('{"'):
            return _chosen(_object(stripped), self.key)
        return [label for part in value.split(self.separator) if (label := part.strip())]

    def _class_of(self, item: Any) -> str:
        if isinstance(item, int) and not isinstance(item, bool) and 0 <= item < len(self.classes):
            return self.classes[item]
        if isinstance(item, str) and item in self.classes:
            return item
        raise ValueError(self._rule)

    def _name(self, item: Any) -> str:
        if is_name(item):
            return str(item)
        if isinstance(item, str):
            raise ValueError("in UTF-8: say with --encoding what the file is in")  # noqa: TRY004
        if isinstance(item, Mapping):
            key = self.key or _key_of(item)
            if key is not None and is_name(item.get(key)):
                return unbracketed(str(item[key]))
            keys = " or ".join(f"--label-key {key}" for key in item if is_name(item[key]))
            raise ValueError(f"a list of labels, each named by one of its keys: say which with {keys or '--label-key'}")
        if isinstance(item, float):
            raise ValueError(f"{self._rule}, and not numbers with a fraction")  # noqa: TRY004
        raise ValueError(self._rule)


def _key_of(label: Mapping[str, Any]) -> str | None:
    """Tell which key names a label; None where that is not sure: a word may mean several URIs."""
    keys = [key for key in _NAME_KEYS if is_name(label.get(key))]
    return keys[0] if keys and (keys[0] == _NAME_KEYS[0] or _IDENTIFIES not in label) else None


def is_name(value: Any) -> bool:
    """Tell whether a value can name a record or a label: a string that can be stored, or a whole number."""
    return is_text(value) or (isinstance(value, int) and not isinstance(value, bool))


def angled(value: str) -> list[str] | None:
    """Read `<a><b>` or `<a> <b>`; None for anything else."""
    found = _ANGLES.findall(value)
    return found if found and not _ANGLES.sub("", value).strip() else None


def unbracketed(name: str) -> str:
    """Give `<uri>` as `uri`."""
    return name[1:-1] if name.startswith("<") and name.endswith(">") else name


def is_bracketed(value: str) -> bool:
    """Tell whether a string looks like a list, a set or a tuple that was printed."""
    return bool(_BRACKETED.fullmatch(value) or _CALLED.fullmatch(value))


def listed(value: str) -> list[Any]:
    """Read a list that stands in a string: JSON, or a list, set or tuple as Python prints it; nothing is run.

    Raises:
        ValueError: It is neither, for example an array as numpy prints it.
    """
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, list):
        return found
    called = _CALLED.fullmatch(value)
    bare = (called[1] if called else value).strip()
    if value.startswith("array(") or (bare and not _BRACKETED.fullmatch(bare)):
        raise ValueError(f"a list of strings, or a string with {SEPARATOR!r} between labels: {LIST_ADVICE}")
    inner, names, position = bare[1:-1].strip(), [], 0
    while position < len(inner):
        item = _ITEM.match(inner, position)
        if item is None or "__" in (item[3] or "") or (item[3] is not None and _many_words(item[3])):
            raise ValueError(f"a list of strings: {LIST_ADVICE}")
        text = next(group for group in item.groups() if group is not None)
        if item[3] not in _UNKNOWN:
            names.append(text if item[3] else _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), text))
        position = item.end()
    return names


def _many_words(item: str) -> bool:
    """Numbers with blanks between are an array that numpy has printed."""
    words = item.split()
    return len(words) > 1 and all(word.strip(".").isdigit() for word in words)


def _object(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError("labels, and is half a JSON object") from None


def _chosen(value: Any, key: str | None) -> Any:
    """Give the labels of a map from label to 0 or 1, or of an object that holds them."""
    if not isinstance(value, Mapping):
        return None
    if key is not None and key in value:
        return value[key] if isinstance(value[key], list) else [value[key]]
    if isinstance(value.get("choices"), list):
        return value["choices"]
    if value and all(isinstance(item, bool | int | float) and item in (0, 1) for item in value.values()):
        return [name for name, marked in value.items() if marked]
    if value and all(isinstance(item, bool | int | float) for item in value.values()):
        raise ValueError("a list of labels, or 0 or 1 for each of them, and not a score: keep those above a threshold")
    if any(is_name(value.get(name)) for name in _NAME_KEYS):
        return [value]
    return [] if not value else None
