"""The training loop: data, step, callbacks, until the last step or a request to stop. All else is a callback."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from time import perf_counter
from typing import Protocol

from sharding import StreamState

from ..data import Loader, StepData
from ..errors import NonFiniteError
from .step import StepReport, TrainingStep


class Outcome(Enum):
    """How a loop ended; either way its state is saved."""

    DONE = "done"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Position:
    """How far a run is.

    Attributes:
        step: Optimizer steps done.
        stream: State of the stream after them.
    """

    step: int
    stream: StreamState


class Callback(Protocol):
    """The interface of what happens beside training. Every rank runs the same callbacks in the same order."""

    def after_step(self, position: Position, report: StepReport, seconds: float) -> None:
        """React to a finished step, which took so many seconds, waiting for data included."""

    def at_end(self, position: Position) -> None:
        """React to the loop's regular end, be it the last step or a stop."""


@dataclass(frozen=True)
class TrainingLoop:
    """Runs optimizer steps from a position on.

    Attributes:
        step: Runs one optimizer step.
        loader: The data of this rank.
        callbacks: Called after every step, and at the end.
        stop_requested: Asked once a step; all ranks agree on the answer.
    """

    step: TrainingStep
    loader: Loader
    callbacks: Sequence[Callback]
    stop_requested: Callable[[], bool]

    def run(self, position: Position) -> Outcome:
        """Train until the last step, or until a rank is asked to stop.

        Args:
            position: Where to begin.

        Returns:
            How the loop ended.

        Raises:
            NonFiniteError: Too many steps in a row were skipped; nothing is saved.
        """
        with closing(self.loader.steps(position.stream, position.step)) as source:
            return self._run(position, source)

    def _run(self, position: Position, source: Iterator[StepData]) -> Outcome:
        skipped = 0
        outcome = Outcome.DONE
        while outcome is Outcome.DONE and position.step < self.step.config.train.steps:
            started = perf_counter()
            with self.step.clock("data_wait"):
                data = next(source)
            report = self.step(position.step + 1, data.micro_batches, stop=self.stop_requested())
            position = Position(report.step, data.state)
            for callback in self.callbacks:
                callback.after_step(position, report, perf_counter() - started)
            skipped = 0 if report.applied else skipped + 1
            self._check(skipped, position)
            if report.counts.stops:
                outcome = Outcome.STOPPED
        for callback in self.callbacks:
            callback.at_end(position)
        return outcome

    def _check(self, skipped: int, position: Position) -> None:
        limit = self.step.config.train.nonfinite_limit
        if skipped >= limit:
            raise NonFiniteError(
                f"step {position.step}: {skipped} steps in a row had a loss or a gradient that is not finite "
                f"(train.nonfinite_limit = {limit}); the last checkpoint stands: lower train.lr or labels.lr"
            )
