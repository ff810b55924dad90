"""The history of a run from its event log: how often it was started, and which steps must be done again."""

import json
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Self

_START = b'"event": "start"'  # no string of JSON can hold it: its quotes would have backslashes

_FAULT = b'"event": "fault"'


@dataclass(frozen=True)
class RunHistory:
    """A run before it is started now.

    Attributes:
        restarts: Restarts of the run, this one among them.
        lost_seconds: Productive time of steps that are done again from here on.
        last_seen: Unix time of the last event before this process; None if the run has not been started before.
        faults: Ranks that ended with an error, in all its lives.
    """

    restarts: int = 0
    lost_seconds: float = 0.0
    last_seen: float | None = None
    faults: int = 0

    @classmethod
    def read(cls, events: Path, step: int, started: float) -> Self:
        """Read the log of a run that goes on after `step`, in a process that was started at this Unix time.

        Reads backwards, and no further than that step and the last start.
        """
        if not events.is_file() or not events.stat().st_size:
            return cls()
        with events.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            place = text.rfind(_START, 0, text.rfind(b"\n") + 1)
            start = next(_backwards(text, text.find(b"\n", place)), None)
            if start is None or start.kind != "start":
                return cls()
            faults = start.faults + text[place:].count(_FAULT)
            times = (event.time for event in _backwards(text) if event.time < started)
            return cls(start.restarts + 1, _lost(text, step), next(times, None), faults)


@dataclass(frozen=True)
class _Event:
    """What counts here of a line of the log."""

    kind: str
    time: float
    step: int
    restarts: int
    faults: int
    productive_seconds: float

    @classmethod
    def parse(cls, line: bytes) -> "_Event | None":
        """Read a line; None for one that a kill has cut off, or that is none of ours."""
        try:
            fields = json.loads(line)
            return cls(
                kind=fields["event"],
                time=datetime.fromisoformat(fields["time"]).timestamp(),
                step=int(fields.get("step", 0)),
                restarts=int(fields.get("restarts", 0)),
                faults=int(fields.get("faults", 0)),
                productive_seconds=float(fields.get("productive_seconds", 0)),
            )
        except (KeyError, TypeError, ValueError):
            return None


def _lost(text: mmap.mmap, step: int) -> float:
    """Add up steps after `step` that no later start has declared lost before; a skipped one was lost when it was done.

    Ends where all earlier lines are of steps that still count.
    """
    seconds, declared = 0.0, inf
    for event in _backwards(text):
        if event.kind == "start":
            declared = min(declared, event.step)
        if event.kind in ("step", "start") and min(event.step, declared) <= step:
            return seconds
        if event.kind == "step" and event.step <= declared:
            seconds += event.productive_seconds
    return seconds


def _backwards(text: mmap.mmap, end: int | None = None) -> Iterator[_Event]:
    """Read whole lines from the last one on, or from the one that ends there."""
    end = text.rfind(b"\n") if end is None else end
    while end >= 0:
        before = text.rfind(b"\n", 0, end)
        if event := _Event.parse(text[before + 1 : end]):
            yield event
        end = before
