"""`lmmtc checkpoint`: what a run has saved, and whether it is whole."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from .options import RunArgument, on_accelerator

if TYPE_CHECKING:
    from trainer.checkpoint import CheckpointStore

checkpoint = typer.Typer(help="Look at what a run has saved.", no_args_is_help=True)


@checkpoint.command("list")
@on_accelerator
def list_checkpoints(run: RunArgument) -> None:
    """Show what a run has saved: steps, times, ranks, how far in the data, sizes."""
    store, steps = _checkpoints(run)
    table = Table("step", "saved", "ranks", "epoch", "records of it", "MiB")
    for step in steps:
        table.add_row(str(step), *_described(store, step))
    Console().print(table)


@checkpoint.command("verify")
@on_accelerator
def verify_checkpoints(run: RunArgument) -> None:
    """Compare every file of every checkpoint with its checksum."""
    from trainer.errors import CheckpointError
    from trainer.run.folder import step_name

    store, steps = _checkpoints(run)
    problems = [f"{step_name(step)}: {problem}" for step in steps if (problem := store.place.damage(step))]
    if problems:
        raise CheckpointError("\n".join([f"{run}: {len(problems)} of {len(steps)} are damaged", *problems]))
    typer.echo(f"{run}: {len(steps)} checkpoints, all whole")


def _checkpoints(run: Path) -> tuple["CheckpointStore", list[int]]:
    """Find a run's checkpoints, oldest first. CheckpointError when there is none."""
    from trainer.checkpoint import checkpoints_of
    from trainer.errors import CheckpointError
    from trainer.run.folder import RunFolder

    store = checkpoints_of(RunFolder(run))
    steps = store.place.steps()
    if not steps:
        raise CheckpointError(f"{run}: has no checkpoint")
    return store, steps


def _described(store: "CheckpointStore", step: int) -> tuple[str, ...]:
    from trainer.errors import CheckpointError

    try:
        saved = store.place.describe(step)
    except (CheckpointError, OSError):  # damaged, or gone since the steps were listed
        return ("damaged, see verify",)
    stream = saved.meta.stream
    size, records = f"{saved.bytes / 2**20:,.1f}", f"{stream.consumed:,}"
    at = saved.at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return at, str(saved.meta.world_size), str(stream.epoch), records, size
