"""`lmmtc checkpoint`: what a run has saved, and whether it is whole."""

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from trainer.checkpoint import CheckpointMeta, CheckpointStore, damage
from trainer.errors import CheckpointError
from trainer.run_folder import RunFolder


def show(run: Path) -> None:
    """List the checkpoints, oldest first; no file but their descriptions is read."""
    table = Table("step", "saved", "ranks", "epoch", "records of it", "MiB")
    for folder in _checkpoints(run):
        meta = CheckpointMeta.read(folder)
        saved = datetime.fromtimestamp(folder.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        size = sum(file.stat().st_size for file in folder.iterdir()) / 2**20
        records = f"{meta.stream.consumed:,}"
        table.add_row(str(meta.step), saved, str(meta.world_size), str(meta.stream.epoch), records, f"{size:,.1f}")
    Console().print(table)


def verify(run: Path) -> None:
    """Compare every file with its checksum; CheckpointError with every checkpoint that is damaged."""
    folders = _checkpoints(run)
    problems = [f"{folder.name}: {problem}" for folder in folders if (problem := damage(folder))]
    if problems:
        raise CheckpointError("\n".join([f"{run}: {len(problems)} of {len(folders)} are damaged", *problems]))
    print(f"{run}: {len(folders)} checkpoints, all whole")  # noqa: T201


def _checkpoints(run: Path) -> list[Path]:
    folders = CheckpointStore(RunFolder(run).checkpoints).complete()
    if not folders:
        raise CheckpointError(f"{run}: has no checkpoint")
    return folders
