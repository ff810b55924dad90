"""What happens beside training: metrics and events, the look at the dev split. Checkpoints: see saving.py."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from time import perf_counter

from sharding import RecordBatch
from sharding.remote import FetchCounts, Fetched

from .evaluation import Evaluator
from .loop import Position
from .step import StepReport
from .telemetry import EventLog, Telemetry


@dataclass(frozen=True)
class Reporting:
    """Every step becomes metrics on each rank, and an event on the first one."""

    telemetry: Telemetry
    events: EventLog
    world_size: int

    def after_step(self, position: Position, report: StepReport, seconds: float) -> None:
        """Export the step; counts are shares of this rank, so that sums over ranks are totals."""
        counts, world = report.counts, self.world_size
        if report.applied:
            self.telemetry.step_done(counts.records / world, counts.tokens / world, report.slots / world, seconds)
        else:
            self.telemetry.add("nonfinite_steps_total", 1)
        self.telemetry.losses(report.losses)
        self.telemetry.set("learning_rate", report.lr, group="dense")
        self.telemetry.set("learning_rate", report.rows_lr, group="rows")
        if report.gradient_norm is not None:
            self.telemetry.set("gradient_norm", report.gradient_norm)
        self.events.write(
            "step" if report.applied else "skipped_step",
            step=report.step,
            loss=report.losses,
            lr=report.lr,
            shortlist_recall=report.shortlist_recall,
            gradient_norm=report.gradient_norm,
            seconds=seconds,
            records_per_second=counts.records / seconds,
        )

    def at_end(self, position: Position) -> None:
        """Say where training ended."""
        self.events.write("end", step=position.step)


@dataclass
class FetchReporting:
    """What a remote data set cost becomes metrics on each rank, after every step and at the end."""

    telemetry: Telemetry
    counts: FetchCounts
    reported: Fetched = field(default_factory=Fetched)

    def after_step(self, position: Position, report: StepReport, seconds: float) -> None:
        """Export what has been added since the last time."""
        self.at_end(position)

    def at_end(self, position: Position) -> None:
        """Export what has been added since the last time."""
        now, before = self.counts.now, asdict(self.reported)
        for name, amount in asdict(now).items():
            self.telemetry.add(f"stream_{name}_total", amount - before[name])
        self.reported = now


@dataclass(frozen=True)
class PeriodicEvaluation:
    """A look at the dev split every so many steps, and after the last one."""

    evaluator: Evaluator
    dev: Callable[[], Iterable[RecordBatch]]
    every: int
    last: int
    telemetry: Telemetry
    events: EventLog

    def after_step(self, position: Position, report: StepReport, seconds: float) -> None:
        """Evaluate when it is time."""
        if position.step % self.every and position.step != self.last:
            return
        started = perf_counter()
        with self.telemetry.phase("evaluation"):
            metrics = self.evaluator(self.dev())
        answer = list(metrics.values())[-1]
        for k in ("1", "3", "5"):
            self.telemetry.set("precision_ratio", answer[f"P@{k}"], k=k)
        self.telemetry.set("shortlist_recall_ratio", answer["recall@K"])
        self.events.write("evaluation", step=position.step, seconds=perf_counter() - started, **metrics)

    def at_end(self, position: Position) -> None:
        """Nothing is left to do: the last step was evaluated, a stop is in a hurry."""
