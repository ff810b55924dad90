"""What is seen of work that takes long: a bar at a terminal, of training with the last numbers; else JSON lines."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    track,
)

from .stderr import complain

if TYPE_CHECKING:  # torch would come with them, which conversion does without
    from trainer.training.loop import Position
    from trainer.training.step import StepReport

Item = TypeVar("Item")


def followed(items: Iterable[Item], what: str, total: int | None = None, *, shown: bool = True) -> Iterable[Item]:
    """Draw a bar while `items` are used up; no terminal, no bar."""
    console = Console(stderr=True)
    hidden = not (shown and console.is_terminal)
    return track(items, escape(what), total=total, console=console, transient=True, disable=hidden)


@contextmanager
def counting(what: str, total: int | None = None, *, shown: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Lend what shows (done, total) of one piece of work as a bar; no terminal, no bar."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not (shown and console.is_terminal)) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextmanager
def rounds() -> Iterator[Callable[[int, int, str], None]]:
    """Lend what shows (done, total, what is being done), one round after the other, with rate and time left."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _JsonLines()
        return
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(done: int, total: int, what: str) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(escape(what), total=total, rate="")
            elapsed = bars.tasks[tasks[what]].elapsed or 1
            bars.update(tasks[what], completed=done, rate=f"{done / elapsed:,.0f}/s")

        yield show


class _JsonLines:
    """Says every ten seconds how far a round has come."""

    every_seconds = 10.0

    def __init__(self) -> None:
        self._round, self._started, self._said = "", 0.0, time.monotonic()

    def __call__(self, done: int, total: int, what: str) -> None:
        now = time.monotonic()
        if what != self._round:
            self._round, self._started = what, now
        if now - max(self._said, self._started) >= self.every_seconds:
            rate = done / (now - self._started)
            left = (total - done) / rate if rate else None
            news = {"doing": what, "done": done, "total": total, "per_second": rate, "seconds_left": left}
            complain(json.dumps(news))  # the log of a machine without a terminal
            self._said = now


class TrainingBar:
    """A callback that draws the bar, from the first step on."""

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

    def after_step(self, position: "Position", report: "StepReport", seconds: float) -> None:
        """Move the bar."""
        if not self._progress.live.is_started:
            self._progress.start_task(self._task)
            self._progress.start()
        losses = "  ".join(f"{term} {loss:.4g}" for term, loss in report.losses.items())
        numbers = f"{losses}  {report.counts.records / seconds:.0f} records/s"
        self._progress.update(self._task, completed=position.step, numbers=numbers)

    def at_end(self, position: "Position") -> None:
        """Leave the last state of the bar on the screen."""
        self._progress.stop()
