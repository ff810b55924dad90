"""What a check says: a state, what was found, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True)
class Finding:
    """What one check found. Wrong: training cannot work; a warning: it may, but slower, or not everywhere."""

    check: str
    state: State
    found: str
    advice: str = ""


def worst(findings: Iterable[Finding]) -> State:
    """Give the state of the whole."""
    states = {each.state for each in findings}
    return "wrong" if "wrong" in states else "warning" if "warning" in states else "ok"
