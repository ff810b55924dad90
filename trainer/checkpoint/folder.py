"""Checkpoint storage in a folder: written to a temporary folder, checksummed, then published by one rename.

checkpoints/step-00000200/        meta.json (state and checksums), dense.safetensors, rows-*, random-*
checkpoints/.step-00000400.tmp/   a save under way, or one that was cut off: never read, removed by the next save
checkpoints/.step-00000100.old.tmp/   an old one that is being deleted, likewise
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sharding import DataError, inside, publish, sync

from ..distributed import Ranks
from ..errors import CheckpointError, UnreadableError
from ..labels import RowRange
from ..run.folder import step_name, steps_in
from .meta import META, CheckpointMeta, read_tree, sums_of, wrong
from .pieces import Content, Sums
from .storage import Files, Keeps, Saved

_SUMS = "sums.json"


@dataclass(frozen=True)
class CheckpointFolder:
    """The checkpoints below a folder that every rank sees, as a `CheckpointStorage`."""

    path: Path

    def __str__(self) -> str:
        """Give the address."""
        return str(self.path)

    def at(self, step: int) -> Path:
        """Name the folder of a step."""
        return self.path / step_name(step)

    def steps(self) -> list[int]:
        """List what was published, as `CheckpointStorage` says."""
        return steps_in(self.path)

    def prepare(self) -> None:
        """Remove what interrupted saves have left."""
        for torn in self.path.glob(".step-*.tmp"):
            shutil.rmtree(torn)

    def write(self, step: int, number: int, rank: int, files: Files) -> None:
        """Write into a folder of this rank, sums last."""
        own = self._aside(step) / f"rank-{rank:05d}"
        sums = {}
        for name, tensors in files.items():
            content = Content(tensors)
            with publish(own / name) as path, path.open("wb") as file:
                file.writelines(content)
            sums[name] = content.sums
        with publish(own / _SUMS) as path:
            path.write_text(json.dumps(sums))

    def publish(self, meta: CheckpointMeta, number: int, keeps: Keeps) -> None:
        """Move the files of all ranks together, describe them, and rename their folder."""
        aside, final = self._aside(meta.step), self.at(meta.step)
        files = dict(_gathered(aside))
        with publish(aside / META) as path:
            path.write_text(meta.described(files))
        if final.exists():
            self._delete(meta.step)
        aside.rename(final)
        sync(self.path)
        steps = self.steps()
        for old in set(steps) - keeps(steps):
            self._delete(old)

    def fetch(self, step: int, ranks: Ranks, rows: RowRange | None) -> Path:
        """Name the folder; rank 0 alone compares all checksums, CheckpointError if one is wrong."""
        if ranks.is_first:
            check(self.at(step))
        return self.at(step)

    def release(self) -> None:
        """Do nothing: the files are local."""

    def damage(self, step: int) -> str | None:
        """Say what is wrong with a checkpoint, as `CheckpointStorage` says."""
        return damage(self.at(step))

    def describe(self, step: int) -> Saved:
        """Read the description, and the sizes from the disk."""
        folder = self.at(step)
        saved_at = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
        return Saved(CheckpointMeta.read(folder), saved_at, sum(file.stat().st_size for file in folder.iterdir()))

    def _delete(self, step: int) -> None:
        """Take the name away first: whenever this is cut off, nothing that still has one lacks a file."""
        nameless = self.at(step).rename(self.path / f".{step_name(step)}.old.tmp")
        shutil.rmtree(nameless)

    def _aside(self, step: int) -> Path:
        return self.path / f".{step_name(step)}.tmp"


def damage(folder: Path) -> str | None:
    """Say what is wrong with a checkpoint's folder, or None."""
    try:
        check(folder)
    except CheckpointError as error:
        return str(error)
    return None


def check(folder: Path) -> None:
    """Compare sizes and checksums of all files.

    Rank 0 alone reads all: with any other error it would leave the others waiting.

    Raises:
        CheckpointError: A file is wrong.
        UnreadableError: A file cannot be read now.
    """
    try:
        files = read_tree(folder)["files"]
        spoilt = next((name for name, sums in files.items() if not _is_as_saved(inside(folder, name), sums)), None)
    except OSError as error:
        raise UnreadableError(str(error)) from error
    except DataError as error:
        raise CheckpointError(str(error)) from error
    if spoilt:
        raise CheckpointError(wrong(spoilt))


def copy_checkpoint(folder: Path, checkpoints: Path, added: Files) -> None:
    """Copy a whole checkpoint into another folder of checkpoints, with further files {name: tensors}."""
    tree, copy = read_tree(folder), checkpoints / step_name(read_tree(folder)["step"])
    copy.mkdir(parents=True)
    for name in tree["files"]:
        shutil.copyfile(inside(folder, name), inside(copy, name))
    for name, tensors in added.items():
        content = Content(tensors)
        (copy / name).write_bytes(b"".join(content))
        tree["files"][name] = content.sums
    with publish(copy / META) as path:
        path.write_text(json.dumps(tree, indent=1))


def _gathered(aside: Path) -> Iterator[tuple[str, Sums]]:
    """Move the files of all ranks into one folder, and yield what their ranks say of them."""
    for own in sorted(aside.glob("rank-*")):
        sums = own / _SUMS
        yield from json.loads(sums.read_text()).items()
        sums.unlink()
        for file in own.iterdir():
            file.replace(aside / file.name)
        own.rmdir()


def _is_as_saved(path: Path, sums: dict[str, object]) -> bool:
    return path.is_file() and path.stat().st_size == sums["bytes"] and sums_of(path) == sums
