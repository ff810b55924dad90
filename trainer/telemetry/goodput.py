"""Goodput: time by kind since the checkpoint that a run was resumed from; docs/metrics.md says what each kind means."""

import time
from collections.abc import Callable

from .catalogue import GoodputKind, Phase
from .run_history import RunHistory

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
