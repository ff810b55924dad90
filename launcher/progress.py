"""What a person at a terminal sees of work that takes long: one bar; of training also the last numbers."""

from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    track,
)

from trainer.loop import Position
from trainer.step import StepReport

Item = TypeVar("Item")


def followed(items: Iterable[Item], what: str, total: int | None = None, *, shown: bool = True) -> Iterable[Item]:
    """Draw a bar while `items` are used up; no terminal, no bar."""
    console = Console(stderr=True)
    hidden = not (shown and console.is_terminal)
    return track(items, what, total=total, console=console, transient=True, disable=hidden)


class TrainingBar:
    """A hook that draws the bar, from the first step on."""

    def __init__(self, steps: int) -> None:
        self._progress = Progress(
            TextColumn("[bold]training"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._task = self._progress.add_task("training", start=False, total=steps, numbers="")

    def after_step(self, position: Position, report: StepReport, seconds: float) -> None:
        """Move the bar."""
        if not self._progress.live.is_started:
            self._progress.start_task(self._task)
            self._progress.start()
        losses = "  ".join(f"{term} {loss:.4g}" for term, loss in report.losses.items())
        numbers = f"{losses}  {report.counts.records / seconds:.0f} records/s"
        self._progress.update(self._task, completed=position.step, numbers=numbers)

    def at_end(self, position: Position) -> None:
        """Leave the last state of the bar on the screen."""
        self._progress.stop()
