"""Tell from the values of a field what stands between the labels in it."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from ..errors import DataError
from .label_values import SEPARATOR

CANDIDATES = ("|", ";", "\t", "\n", ",", "#", " ")
_SOME, _MUCH = 0.3, 0.2  # shares of values, and of parts, that show what a separator is
_CODE = re.compile(r"\S*[\d:/_#.]\S*")
_NAMED = {"|": "'|'", "\t": "a TAB", "\n": "a line end", " ": "a blank"}


def separator_of(name: str, key: str, values: Sequence[str]) -> str:
    """Tell what stands between labels: the usual separator where any value has it, else one that the values show.

    Args:
        name: Where the values are from, for messages.
        key: The field.
        values: Values that are strings, and no lists.

    Raises:
        DataError: Something stands in many values, and may be part of labels or between them.
    """
    for candidate in CANDIDATES:
        if not any(candidate in value.strip() for value in values):
            continue
        if candidate == SEPARATOR:
            return SEPARATOR
        match _evidence(candidate, values):
            case "yes":
                return candidate
            case "perhaps":
                raise DataError(
                    f"{name}: '{key}' is often like {_example(candidate, values)}: if {_shown(candidate)} stands "
                    f"between labels, say --label-separator {candidate!r}; if it is part of one label, say "
                    "--label-separator '|'"
                )
            case _:
                pass
    return SEPARATOR


def check_separator(name: str, key: str, values: Sequence[str], asked: str) -> None:
    """Raise a DataError for a separator that was asked for and no value has, where the values clearly show another."""
    if asked == SEPARATOR or not values or any(asked in value for value in values):
        return  # the usual one is also what says that nothing else separates
    for candidate in (",", ";", SEPARATOR, "\t", "\n", " "):
        enough = ("yes", "perhaps") if candidate == " " else ("yes",)
        if candidate != asked and candidate not in asked and _evidence(candidate, values) in enough:
            raise DataError(
                f"{name}: no '{key}' holds {_shown(asked)}, but many are like {_example(candidate, values)}: "
                f"say --label-separator {candidate!r}"
            )


def check_lone_items(name: str, key: str, lists: Sequence[Sequence[object]]) -> None:
    """Raise a DataError where lists hold one string each, and that string clearly holds several labels."""
    items = [item for value in lists for item in value if isinstance(item, str)]
    if not items or any(len(value) > 1 for value in lists):
        return
    for candidate in (SEPARATOR, ";", ","):
        if _evidence(candidate, items) == "yes":
            raise DataError(
                f"{name}: '{key}' holds lists of one string each, such as {_example(candidate, items)}: make a list of "
                "labels of it, or leave the list away"
            )


def _evidence(separator: str, values: Sequence[str]) -> str:
    """Judge whether a separator stands between labels: "yes", "perhaps" or "no".

    Between labels, parts come again in other company, or alone; inside of one label they do not.
    """
    wholes = {value.strip() for value in values}
    parts = {whole: [part.strip() for part in whole.split(separator) if part.strip()] for whole in wholes}
    several = {whole: found for whole, found in parts.items() if len(found) > 1}
    if not several:
        return "no"
    company: defaultdict[str, int] = defaultdict(int)
    for found in parts.values():
        for part in set(found):
            company[part] += 1
    alone = {found[0] for found in parts.values() if len(found) == 1}
    shared = sum(company[part] > 1 for found in several.values() for part in found)
    share = shared / sum(map(len, several.values()))
    occurrences = Counter(value.strip() for value in values)
    repeated = all(occurrences[whole] > 1 for whole in several)  # few values that come again and again: classes
    if separator == " ":
        return _evidence_of_blanks(several, alone, share)
    if separator == ";":
        return "yes" if share > 0 or len(several) < 20 else "perhaps"
    return _evidence_of_marks(separator, several, share, repeated=repeated)


def _evidence_of_marks(separator: str, several: Mapping[str, Sequence[str]], share: float, *, repeated: bool) -> str:
    """Sentences and names have commas, too: parts must come again, or be codes."""
    padded = all(f"{separator} " in whole for whole in several)
    if share >= _MUCH and not (padded and _is_prose(several)):
        return "yes"
    if share > 0 and not repeated:
        return "perhaps"
    if all(_CODE.fullmatch(part) for found in several.values() for part in found):
        return "yes"
    return "no" if repeated or separator != "," else "perhaps"


def _evidence_of_blanks(several: Mapping[str, Sequence[str]], alone: set[str], share: float) -> str:
    """Names have blanks, too: only codes are surely apart."""
    if all(_CODE.fullmatch(part) for found in several.values() for part in found):
        return "yes"
    joined = sum(any(part in alone for part in found) for found in several.values()) / len(several)
    return "perhaps" if joined >= _SOME and share >= _SOME else "no"


def _is_prose(several: Mapping[str, Sequence[str]]) -> bool:
    """Tell whether parts are long, as in a sentence."""
    words = [len(part.split()) for found in several.values() for part in found]
    return sum(words) / len(words) > 6


def _example(separator: str, values: Sequence[str]) -> str:
    return repr(next(value.strip() for value in values if separator in value.strip())[:60])


def _shown(separator: str) -> str:
    return _NAMED.get(separator, repr(separator))
