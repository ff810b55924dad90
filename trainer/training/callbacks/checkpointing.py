"""The checkpoint callback: saves the state of a run every so many steps, in the background if asked."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from sharding import StreamGuards

from ...checkpoint import CheckpointMeta, CheckpointStore, RunState, Save
from ...config import Config
from ...telemetry import EventLog, Telemetry
from ..loop import Position
from ..step import StepReport


@dataclass
class UnderWay:
    """A save that has begun.

    Attributes:
        save: The save.
        step: Step whose state it saves.
        started: Time of its beginning, in seconds of `perf_counter`.
        blocked: Seconds for which training stood still for it.
    """

    save: Save
    step: int
    started: float = field(default_factory=perf_counter)
    blocked: float = 0.0


@dataclass
class CheckpointCallback:
    """Saves a checkpoint every so many steps, and at the end if the last step has none yet.

    With `checkpoint.background` training goes on while files are written: after every step the ranks agree on how far
    they are. A save that has failed ends the run there, with CheckpointError on all ranks.
    """

    store: CheckpointStore
    state: RunState
    guards: StreamGuards
    config: Config
    telemetry: Telemetry
    events: EventLog
    begun_step: int
    begun_at: float = field(default_factory=time.time)
    under_way: UnderWay | None = None

    def after_step(self, position: Position, report: StepReport, seconds: float) -> None:
        """Poll the save that is under way, and begin one when it is due."""
        self.telemetry.set("checkpoint_interval_seconds", self._interval(position))
        self._attend()
        if position.step % self.config.checkpoint.every_steps == 0:
            self.save(position)

    def at_end(self, position: Position) -> None:
        """Save what has not been saved, and wait until it is."""
        if position.step != self.begun_step:
            self.save(position)
        self._attend(wait=True)

    def save(self, position: Position) -> None:
        """Begin a checkpoint, once no other is under way. A collective."""
        self._attend(wait=True)
        meta = CheckpointMeta(
            step=position.step,
            world_size=self.state.ranks.world_size,
            stream=position.stream,
            guards=self.guards,
            config=self.config.model_dump(mode="json"),
        )
        background = self.config.checkpoint.background
        started = perf_counter()
        with self._standing_still():
            save = self.store.begin(meta, self.state.files(snapshot=background))
        self.under_way = UnderWay(save, position.step, started, perf_counter() - started)
        self.begun_step, self.begun_at = position.step, time.time()
        self._attend(wait=not background)

    def _attend(self, *, wait: bool = False) -> None:
        """Poll the save that is under way, and report it once it is done."""
        if self.under_way is None:
            return
        started = perf_counter()
        with self._standing_still():
            done = self.under_way.save.done(wait_for_it=wait)
        self.under_way.blocked += perf_counter() - started
        if done:
            self._tell(self.under_way)
            self.under_way = None

    def _tell(self, done: UnderWay) -> None:
        seconds = perf_counter() - done.started
        self.telemetry.set("checkpoint_duration_seconds", seconds)
        self.telemetry.set("checkpoint_last_success_timestamp_seconds", time.time())
        self.events.write("checkpoint", step=done.step, seconds=seconds, blocked_seconds=done.blocked)

    @contextmanager
    def _standing_still(self) -> Iterator[None]:
        started = perf_counter()
        with self.telemetry.phase("checkpoint"):
            yield
        self.telemetry.add("checkpoint_blocked_seconds_total", perf_counter() - started)

    def _interval(self, position: Position) -> float:
        """Estimate the seconds between two saves from the steps since the last one began."""
        steps = max(position.step - self.begun_step, 1)
        return (time.time() - self.begun_at) / steps * self.config.checkpoint.every_steps
