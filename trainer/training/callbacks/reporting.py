"""Reporting callbacks: metrics and events of each step, and the evaluation of the dev split."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from time import perf_counter

from sharding import RecordBatch
from sharding.remote import FetchCounts, FetchTotals

from ...evaluation import Evaluator
from ...model import ModelFlops
from ...telemetry import EventLog, Telemetry
from ..loop import Position
from ..step import StepReport


@dataclass(frozen=True)
class MetricsCallback:
    """Exports metrics of every step on each rank, and writes an event on the first one."""

    telemetry: Telemetry
    events: EventLog
    world_size: int

    def after_step(self, position: Position, report: StepReport, seconds: float) -> None:
        """Export the step; counts are shares of this rank, so that sums over ranks are totals."""
        counts, world = report.counts, self.world_size
        productive = self.telemetry.goodput.step_done(seconds, applied=report.applied)
        self.telemetry.set("step", report.step)
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
            productive_seconds=productive,
            records_per_second=counts.records / seconds,
        )

    def at_end(self, position: Position) -> None:
        """Write an event with the last step."""
        self.events.write("end", step=position.step)


@dataclass(frozen=True)
class WorkMetricsCallback:
    """Exports the work of a step on each rank: its share of the operations, and what its scan compared.

    Attributes:
        telemetry: Metrics of this rank.
        flops: Operations of the model.
        world_size: Ranks that share them.
        rows: Label rows that this rank scans.
        device: Name of its device.
        peak: Operations a second that the device can do at best; None: unknown.
    """

    telemetry: Telemetry
    flops: ModelFlops
    world_size: int
    rows: int
    device: str
    peak: float | None

    def after_step(self, position: Position, report: StepReport, seconds: float) -> None:
        """Export the step if it was not skipped; this callback must come before slow ones."""
        if not report.applied:
            return
        counts, world, telemetry = report.counts, self.world_size, self.telemetry
        flops = self.flops.of_step(counts.records, counts.tokens, counts.masked_tokens, report.slots) / world
        telemetry.add("model_flops_total", flops)
        telemetry.add("labels_scanned_total", self.rows * counts.records)
        telemetry.add("train_positives_total", report.positives / world)
        telemetry.add("train_positives_found_total", report.found / world)
        if self.peak is not None:
            telemetry.set("model_flops_utilization_ratio", flops / seconds / self.peak, device=self.device)

    def at_end(self, position: Position) -> None:
        """Do nothing."""


@dataclass
class FetchMetricsCallback:
    """Exports the traffic of a remote data set on each rank, after every step and at the end."""

    telemetry: Telemetry
    counts: FetchCounts
    reported: FetchTotals = field(default_factory=FetchTotals)

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
class EvaluationCallback:
    """Evaluates the dev split every so many steps, and after the last one."""

    evaluator: Evaluator
    dev: Callable[[], Iterable[RecordBatch]]
    every: int
    last: int
    telemetry: Telemetry
    events: EventLog

    def after_step(self, position: Position, report: StepReport, seconds: float) -> None:
        """Evaluate when it is due."""
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
        """Do nothing: the last step was evaluated, and a stop must be quick."""
