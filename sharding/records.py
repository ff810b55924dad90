"""The record: its fields as a JSON object in a source, and its Arrow schema as a row in a shard."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

import pyarrow as pa

from .errors import BadRecordError

TRAIN = "train"  # the split to learn from: label counts are those of its records
DEV = "dev"
SPLITS = (TRAIN, DEV, "test")

BadRecordPolicy = Literal["raise", "skip"]

# JSON can spell half a surrogate pair, which no column and no tokenizer takes.
_HALF_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Record:
    """A text and the names of its labels.

    Attributes:
        id: Id of the record.
        text: The whole text.
        labels: Names of its true labels.
        split: None where the source leaves the choice to the conversion.
        given: Labels that prediction may know beforehand, each with whether it is true.
    """

    id: str
    text: str
    labels: tuple[str, ...]
    split: str | None = None
    given: tuple[tuple[str, bool], ...] = ()


def parse_object(line: bytes) -> dict[str, Any]:
    """Read one JSON object; BadRecordError when it is none."""
    try:
        fields = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise BadRecordError(f"not a JSON object in UTF-8: {error}") from None
    if not isinstance(fields, dict):
        raise BadRecordError(f"is {_shown(fields)}: must be a JSON object")
    return fields


def shard_schema(vocabulary_size: int) -> pa.Schema:
    """Lay out a shard's rows for a tokenizer of so many ids: 16-bit tokens where they fit."""
    token = pa.uint16() if vocabulary_size <= 1 << 16 else pa.uint32()
    return pa.schema(
        [("id", pa.string()), ("text", pa.string()), ("labels", pa.list_(pa.uint32())), ("tokens", pa.list_(token))]
    )


def string_of(fields: Mapping[str, Any], key: str) -> str:
    """Give a field that must be a string; BadRecordError otherwise."""
    value = fields.get(key)
    if not is_text(value):
        raise fault(fields, key, "a string in UTF-8" if isinstance(value, str) else "a string")
    return value


def is_text(value: Any) -> TypeGuard[str]:
    """Tell whether a value is a string that can be stored and tokenized."""
    return isinstance(value, str) and not _HALF_SURROGATE.search(value)


def fault(fields: Mapping[str, Any], key: str, rule: str) -> BadRecordError:
    """Say which field breaks a rule, with its value."""
    found = f"is {_shown(fields[key])}" if key in fields else "is missing"
    return BadRecordError(f"'{key}' {found}: must be {rule}")


def given_of(fields: Mapping[str, Any]) -> tuple[tuple[str, bool], ...]:
    """Give the labels that are known beforehand, each with whether it is true; BadRecordError for anything else."""
    given = fields.get("given", {})
    if not isinstance(given, dict) or not all(is_text(label) and isinstance(given[label], bool) for label in given):
        raise fault(fields, "given", "an object of labels and true or false")
    return tuple(given.items())


def _shown(value: Any) -> str:
    # What a table or a damaged file holds need not be JSON.
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
