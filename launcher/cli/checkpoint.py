"""`lmmtc checkpoint`: what a run has saved, and whether it is whole."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from trainer.checkpoint import CheckpointStore, checkpoints_of
from trainer.errors import CheckpointError
from trainer.run_folder import RunFolder, step_name


def show(run: Path) -> None:
    """List the checkpoints, oldest first; no file but their descriptions is read."""
    store, steps = _checkpoints(run)
    table = Table("step", "saved", "ranks", "epoch", "records of it", "MiB")
    for step in steps:
        table.add_row(str(step), *_described(store, step))
    Console().print(table)


def _described(store: CheckpointStore, step: int) -> tuple[str, ...]:
    try:
        saved = store.place.describe(step)
    except (CheckpointError, OSError):  # damaged, or gone since the steps were listed
        return ("damaged, see verify",)
    stream = saved.meta.stream
    size, records = f"{saved.bytes / 2**20:,.1f}", f"{stream.consumed:,}"
    at = saved.at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return at, str(saved.meta.world_size), str(stream.epoch), records, size


def verify(run: Path) -> None:
    """Compare every file with its checksum; CheckpointError with every checkpoint that is damaged."""
    store, steps = _checkpoints(run)
    problems = [f"{step_name(step)}: {problem}" for step in steps if (problem := store.place.damage(step))]
    if problems:
        raise CheckpointError("\n".join([f"{run}: {len(problems)} of {len(steps)} are damaged", *problems]))
    print(f"{run}: {len(steps)} checkpoints, all whole")  # noqa: T201


def _checkpoints(run: Path) -> tuple[CheckpointStore, list[int]]:
    store = checkpoints_of(RunFolder(run))
    steps = store.place.steps()
    if not steps:
        raise CheckpointError(f"{run}: has no checkpoint")
    return store, steps
