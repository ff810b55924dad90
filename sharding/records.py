"""Decides what a record is: as a JSON object in a source, and as a row in a shard."""

import json
import re
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

import pyarrow as pa

from .errors import BadRecordError, DataError

SPLITS = ("train", "dev", "test")

BadRecordPolicy = Literal["raise", "skip"]

# JSON can spell half a surrogate pair, which no column and no tokenizer takes.
_HALF_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Record:
    """A text and the names of its labels; `split` is None where the source leaves the choice to the conversion.

    `given` are labels that prediction may know beforehand, each with whether it is true.
    """

    id: str
    text: str
    labels: tuple[str, ...]
    split: str | None = None
    given: tuple[tuple[str, bool], ...] = ()


@dataclass
class Rejections:
    """What happens to records that cannot be used: the first one ends the run, or each is counted and left out."""

    policy: BadRecordPolicy
    count: int = 0

    def add(self, error: DataError) -> None:
        if self.policy == "raise":
            raise error
        self.count += 1


def parse_record(line: bytes, *, labelled: bool = True) -> Record:
    """Read one JSON object with 'id', 'text', 'labels' and perhaps 'split'; other keys are ignored.

    Only a record that is not `labelled` may lack its labels, and only there 'given' is read. A BadRecordError says what
    is wrong; where, only the caller knows.
    """
    try:
        fields = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise BadRecordError(f"not a JSON object in UTF-8: {error}") from None
    if not isinstance(fields, dict):
        raise BadRecordError(f"is {_shown(fields)}: must be a JSON object")
    return Record(
        _string(fields, "id"),
        _string(fields, "text"),
        _labels(fields) if labelled or "labels" in fields else (),
        _split(fields),
        () if labelled else _given(fields),
    )


def shard_schema(vocabulary_size: int) -> pa.Schema:
    """Lay out a shard's rows for a tokenizer of so many ids: 16-bit tokens where they fit."""
    token = pa.uint16() if vocabulary_size <= 1 << 16 else pa.uint32()
    return pa.schema(
        [("id", pa.string()), ("text", pa.string()), ("labels", pa.list_(pa.uint32())), ("tokens", pa.list_(token))]
    )


def _string(fields: dict[str, Any], key: str) -> str:
    value = fields.get(key)
    if not _is_text(value):
        raise _fault(fields, key, "a string")
    return value


def _labels(fields: dict[str, Any]) -> tuple[str, ...]:
    labels = fields.get("labels")
    if not isinstance(labels, list) or not all(map(_is_text, labels)):
        raise _fault(fields, "labels", "a list of strings")
    return tuple(labels)


def _split(fields: dict[str, Any]) -> str | None:
    if "split" in fields and fields["split"] not in SPLITS:
        raise _fault(fields, "split", "one of " + ", ".join(SPLITS))
    return fields.get("split")


def _given(fields: dict[str, Any]) -> tuple[tuple[str, bool], ...]:
    given = fields.get("given", {})
    if not isinstance(given, dict) or not all(_is_text(label) and isinstance(given[label], bool) for label in given):
        raise _fault(fields, "given", "an object of labels and true or false")
    return tuple(given.items())


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and not _HALF_SURROGATE.search(value)


def _fault(fields: dict[str, Any], key: str, rule: str) -> BadRecordError:
    found = f"is {_shown(fields[key])}" if key in fields else "is missing"
    return BadRecordError(f"'{key}' {found}: must be {rule}")


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
