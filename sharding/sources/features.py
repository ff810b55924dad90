"""Parse sparse text matrices, and render the features of a record as text."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from ..errors import BadRecordError, DataError
from .lines import decoded, lines_at
from .source import SourceSettings

_ZERO = re.compile(rb"(?:^|\s)0+:")


@dataclass(frozen=True)
class FeatureNames:
    """The name of each feature, by its number; the first has the number `base`."""

    names: tuple[str, ...]
    base: int = 0

    def text_of(self, row: Iterable[str]) -> str:
        """Put the names of a row's features behind each other, the heaviest first, as a text may be cut at its end."""
        weights = parse_weights(row, len(self.names) + self.base, "feature")
        if self.base and any(feature < self.base for feature, _ in weights):
            raise BadRecordError("feature 0: must be at least 1, as --feature-base says")
        return " ".join(self.names[feature - self.base] for feature, _ in sorted(weights, key=lambda pair: -pair[1]))


def feature_names(settings: SourceSettings, path: Path, num_features: int | None) -> FeatureNames:
    """Read the names that the settings give; DataError when they give none, or not one for each feature of `path`.

    num_features: None where the file does not say.
    """
    if settings.feature_names is None:
        raise DataError(
            f"{path}: holds features, not texts: give a file with one name a line by --feature-names, "
            "or take the raw texts of the same data set"
        )
    found = replace(_read_names(settings.feature_names), base=settings.feature_base or 0)
    if num_features is not None and len(found.names) != num_features:
        raise DataError(
            f"{settings.feature_names}: has {len(found.names)} lines: "
            f"must have {num_features}, one for each feature of {path}"
        )
    return found


def read_header(path: Path, meaning: Sequence[str]) -> list[int]:
    """Read the numbers of the first line; DataError says what they should mean."""
    _, line = next(lines_at(path), (0, b""))
    words = line.split()
    if len(words) != len(meaning) or not all(map(bytes.isdigit, words)):
        raise DataError(f"{path}:1: is {line[:60]!r}: must be the numbers of {', '.join(meaning)}")
    return [int(word) for word in words]


def check_header(path: Path, expected: int, found: int) -> None:
    """Raise a DataError unless a file has as many records as its header says."""
    if found != expected:
        raise DataError(f"{path}: has {found} records: its header says {expected}: fetch it again")


def parse_weights(row: Iterable[str], end: int, what: str) -> list[tuple[int, float]]:
    """Read words `number:weight` whose numbers are below `end`; BadRecordError shows the word that is none."""
    return [_parse_weight(word, end, what) for word in row]


def _parse_weight(word: str, end: int, what: str) -> tuple[int, float]:
    number, _, weight = word.partition(":")
    try:
        return parse_number(number, end, what), float(weight)
    except ValueError:
        raise BadRecordError(f"{word[:40]!r}: must be the number of a {what}, a colon and a weight") from None


def parse_number(word: str, end: int, what: str) -> int:
    """Read the number of a feature, a label or a record; BadRecordError unless it is one below `end`."""
    if not (word.isascii() and word.isdigit()):
        raise BadRecordError(f"{word[:40]!r}: must be the number of a {what}")
    if int(word) >= end:
        raise BadRecordError(f"{what} {word[:40]}: must be below {end}, the number of {what}s")
    return int(word)


def check_base(paths: Iterable[Path], rows: Iterable[bytes], settings: SourceSettings) -> None:
    """Raise a DataError unless some row has the feature 0, or the settings say what the first one's number is.

    Counted from 1, every feature would get the name of the one behind it.
    """
    if settings.feature_base is not None:
        return
    some = False
    for row in rows:
        if _ZERO.search(row):
            return
        some = some or b":" in row
    if some:
        raise DataError(
            f"{', '.join(map(str, paths))}: no record has feature 0, so features may be counted from 1: "
            "say --feature-base 1, or --feature-base 0 if they are not"
        )


@lru_cache(maxsize=1)
def _read_names(path: Path) -> FeatureNames:
    # Kept for the next piece: there may be millions.
    try:
        return FeatureNames(tuple(decoded(line) for _, line in lines_at(path)))
    except BadRecordError as error:
        raise DataError(f"{path}: {error}") from None
