"""Timing of the training loop: phases on the clock of wall and GPU, without ever waiting, and goodput."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from .catalogue import GoodputKind, Phase
from .run_history import RunHistory


class Marks(Protocol):
    """Points in the queue of work of a device, which it passes later than the program does."""

    def mark(self) -> Any:
        """Put a mark behind all work that has been given to the device."""

    def seconds(self, earlier: Any, later: Any) -> float | None:
        """Time on the device between two marks; None while it has not come to the later one. Does not wait."""


@dataclass(frozen=True)
class Stretch:
    """A time on the device that belongs to one phase."""

    phase: Phase
    start: Any
    end: Any


class PhaseClock:
    """Measures what each phase took, and passes the seconds on.

    Args:
        wall: Called with the wall time of a phase as soon as it ends.
        device: Called with its device time when `read` finds it passed, a step later.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        wall: Callable[[Phase, float], None],
        device: Callable[[Phase, float], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._wall, self._device, self._clock = wall, device, clock
        self._marks: Marks | None = None
        self._unread: deque[Stretch] = deque()
        self._phase: Phase | None = None
        self._start, self._start_mark = 0.0, None

    def follow(self, marks: Marks) -> None:
        """Time phases on a device, too, from the next one on."""
        self._marks = marks

    @contextmanager
    def phase(self, name: Phase) -> Iterator[None]:
        """Give the time of the block to a phase; a phase inside another one pauses it."""
        outer = self._phase
        self._switch_to(name)
        try:
            yield
        finally:
            self._switch_to(outer)

    def read(self) -> None:
        """Pass on the phases that the device has finished by now, in their order."""
        while self._marks and self._unread:
            first = self._unread[0]
            seconds = self._marks.seconds(first.start, first.end)
            if seconds is None:
                return
            self._device(first.phase, seconds)
            self._unread.popleft()

    def _switch_to(self, phase: Phase | None) -> None:
        now, mark = self._clock(), self._marks.mark() if self._marks else None
        if self._phase is not None:
            self._wall(self._phase, now - self._start)
            if self._start_mark is not None:
                self._unread.append(Stretch(self._phase, self._start_mark, mark))
        self._phase, self._start, self._start_mark = phase, now, mark


OF_PHASE: dict[Phase, GoodputKind] = {
    "data_wait": "stalled",
    "checkpoint": "checkpoint",
    "evaluation": "evaluation",
}


class Goodput:
    """Counts seconds by kind, each once: they add up to the time since the checkpoint that this process resumed from.

    Args:
        add: Called with a kind and its seconds.
    """

    def __init__(self, add: Callable[[GoodputKind, float], None]) -> None:
        self._add = add
        self._waited = 0.0  # of the step that is going on

    def begin(self, past: RunHistory, started: float) -> None:
        """Count what lies before the first step of a process that was started at this Unix time."""
        self._add("startup", max(time.time() - started, 0.0))
        self._add("lost", past.lost_seconds)
        if past.last_seen is not None:
            self._add("down", max(started - past.last_seen, 0.0))

    def phase_done(self, phase: Phase, seconds: float) -> None:
        """Count the phases that teach nothing."""
        if phase in OF_PHASE:
            self._add(OF_PHASE[phase], seconds)
        if phase == "data_wait":
            self._waited += seconds

    def step_done(self, seconds: float, *, applied: bool) -> float:
        """Count a step which took so long, its wait for data included; returns the seconds without the wait.

        What is not `applied` is lost.
        """
        worked, self._waited = max(seconds - self._waited, 0.0), 0.0
        self._add("productive" if applied else "lost", worked)
        return worked
