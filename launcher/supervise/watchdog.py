"""A watchdog that ends its rank when heartbeats stop, as in a collective that hangs, or when `lmmtc train` is gone."""

import faulthandler
import os
import select
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Self, TextIO

from trainer.config import COLLECTIVE_SECONDS

from ..exit_codes import ExitCode
from .parent_pipe import inherited_pipe

if TYPE_CHECKING:  # they import torch, which reads the environment that is not complete yet
    from trainer.training.loop import Position
    from trainer.training.step import StepReport

LOOK_SECONDS = 1.0
LOG_SECONDS = 10.0  # the folder of the run may be what does not answer


class Watchdog:
    """A thread, because the main one may wait in a collective for ever. Also a callback: one step with all behind it.

    Args:
        limit: Seconds without a heartbeat, counted from the first one on.
        stacks: File to which the stacks of all threads are appended before the process ends with 75.
        environment: Names the parent pipe, where `lmmtc train` started this rank.
        starting: Seconds without a sign of progress before the first heartbeat, when nothing is regular: rows are made,
            texts encoded, a checkpoint read. As long as gloo waits for a rank; NCCL does not always end by itself.
    """

    def __init__(
        self, limit: float, stacks: Path, environment: Mapping[str, str], starting: float = COLLECTIVE_SECONDS
    ) -> None:
        self._limit, self._stacks, self._pipe = limit, stacks, inherited_pipe(environment)
        self._starting: float | None = max(starting, limit)
        self._beat = time.monotonic()
        self._over = Event()

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._beat = time.monotonic()
        Thread(target=self._watch, name="watchdog", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Watch no longer."""
        self._over.set()

    def heartbeat(self) -> None:
        """Tell that something has ended that must not take longer than the limit; from now on that one counts."""
        self._starting = None
        self._beat = time.monotonic()

    def progress(self) -> None:
        """Tell that something moves, before training or in it."""
        self._beat = time.monotonic()

    def after_step(self, position: "Position", report: "StepReport", seconds: float) -> None:
        """Tell that a step has ended, with its evaluation and its save."""
        self.heartbeat()

    def at_end(self, position: "Position") -> None:
        """Tell that the last save has ended."""
        self.heartbeat()

    def _watch(self) -> None:
        pipes = [] if self._pipe is None else [self._pipe]
        while not self._over.is_set():
            closed, _, _ = select.select(pipes, [], [], LOOK_SECONDS)
            still, limit = time.monotonic() - self._beat, self._starting or self._limit
            if self._over.is_set():
                return
            if closed:
                self._end("lmmtc train has let go of this rank: another one is lost, or it was itself killed")
            if still > limit:
                self._end(self._what_stands(still))

    def _what_stands(self, still: float) -> str:
        if self._starting is None:
            what, rule = "no step, evaluation batch or save has ended", f"run.stall_seconds = {self._limit:g}"
        else:
            what, rule = "nothing has moved before the first step", f"at most {self._starting:g}"
        return f"{what} for {still:.0f} seconds ({rule}): another rank is lost or stuck, or this one is"

    def _end(self, why: str) -> None:
        log = Thread(target=self._log, args=(why,), daemon=True)
        log.start()
        log.join(LOG_SECONDS)
        os._exit(ExitCode.START_AGAIN)

    def _log(self, why: str) -> None:
        rank = os.environ.get("RANK", "0")
        message = f"[rank {rank}] {why}; the last checkpoint stands: start the run again\n"
        _dump(sys.stderr, message)
        self._stacks.parent.mkdir(parents=True, exist_ok=True)
        with self._stacks.open("a", encoding="utf-8") as file:
            _dump(file, f"{datetime.now(UTC).isoformat()} {message}")


def _dump(file: TextIO, message: str) -> None:
    file.write(message)
    file.flush()
    faulthandler.dump_traceback(file)
