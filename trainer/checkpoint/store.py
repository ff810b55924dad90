"""How a checkpoint becomes visible: written aside, checksummed, then made real by one rename.

checkpoints/step-00000200/        meta.json (state and checksums), dense.safetensors, rows-*, random-*
checkpoints/.step-00000400.tmp/   a save that was cut off; never read, removed by the next save
"""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from sharding import LmmtcError, StreamGuards, StreamState, inside, publish, sync, xxh3_128

from ..distributed import ONE_RANK, Ranks
from ..errors import CheckpointError

FORMAT = "lmmtc-checkpoint/2"
META = "meta.json"


@dataclass(frozen=True)
class CheckpointMeta:
    """What a checkpoint says of itself; `config` is the whole configuration of the run, as plain values."""

    step: int
    world_size: int
    stream: StreamState
    guards: StreamGuards
    config: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "CheckpointMeta":
        """Read meta.json; CheckpointError if it is missing, torn, or of another format."""
        tree = _read_json(folder)
        return cls(
            step=tree["step"],
            world_size=tree["world_size"],
            stream=StreamState.from_json(tree["stream"]),
            guards=StreamGuards.from_json(tree["guards"]),
            config=tree["config"],
        )


@dataclass(frozen=True)
class CheckpointStore:
    """The checkpoints of one run, all ranks on one file system.

    Keeps the newest `keep`, and for ever those of steps that are multiples of `keep_every`.
    """

    folder: Path
    ranks: Ranks = ONE_RANK
    keep: int = 2
    keep_every: int | None = None

    def save(self, meta: CheckpointMeta, files: dict[str, dict[str, Tensor]]) -> Path:
        """Let every rank write its files {name: tensors}, then publish them together. A collective.

        If any rank fails, all raise CheckpointError and what was saved before still stands.
        """
        final = self.folder / _name(meta.step)
        aside = self.folder / f".{final.name}.tmp"
        self._together(lambda: self._clear_torn() if self.ranks.is_first else None, "beginning")
        self._together(lambda: self._write_own(aside, files), "writing")
        self._together(lambda: self._publish(aside, final, meta) if self.ranks.is_first else None, "publishing")
        return final

    def newest(self) -> Path | None:
        """Find the newest checkpoint whose checksums hold, older ones if it is damaged. A collective.

        Raises CheckpointError if there are checkpoints but none is whole.
        """
        step = -1
        if self.ranks.is_first:
            step = self._newest_step()
        agreed = int(self.ranks.sum(torch.tensor([step if self.ranks.is_first else 0])))
        if agreed == -2:
            raise CheckpointError(f"{self.folder}: no checkpoint there is whole: {self._problems()}")
        return None if agreed < 0 else self.folder / _name(agreed)

    def complete(self) -> list[Path]:
        """List published folders, oldest first."""
        return sorted(self.folder.glob("step-*"))

    def at(self, step: int) -> Path:
        """Find the checkpoint of one step; CheckpointError when there is none, or it is damaged."""
        folder = self.folder / _name(step)
        if not folder.is_dir():
            steps = ", ".join(str(_step(each)) for each in self.complete()) or "none"
            raise CheckpointError(f"{self.folder}: no checkpoint of step {step}; there are: {steps}")
        if problem := damage(folder):
            raise CheckpointError(f"{folder}: {problem}")
        return folder

    def _newest_step(self) -> int:
        """Return the step of the newest whole checkpoint; -1 if there is none at all, -2 if all are damaged."""
        folders = self.complete()
        whole = next((folder for folder in reversed(folders) if not damage(folder)), None)
        return _step(whole) if whole else (-2 if folders else -1)

    def _problems(self) -> str:
        return "; ".join(f"{folder.name}: {damage(folder)}" for folder in self.complete())

    def _write_own(self, aside: Path, files: dict[str, dict[str, Tensor]]) -> None:
        own = aside / f"rank-{self.ranks.rank:05d}"
        sums = {}
        for name, tensors in files.items():
            with publish(own / name) as path:
                save_file(tensors, path)
            sums[name] = _fingerprint(own / name)
        with publish(own / "sums.json") as path:
            path.write_text(json.dumps(sums))

    def _publish(self, aside: Path, final: Path, meta: CheckpointMeta) -> None:
        files = {}
        for own in sorted(aside.glob("rank-*")):
            sums = own / "sums.json"
            files |= json.loads(sums.read_text())
            sums.unlink()
            for file in own.iterdir():
                file.replace(aside / file.name)
            own.rmdir()
        with publish(aside / META) as path:
            path.write_text(json.dumps({"format": FORMAT, **asdict(meta), "files": files}, indent=1))
        shutil.rmtree(final, ignore_errors=True)
        aside.rename(final)
        sync(self.folder)
        for old in self.complete()[: -self.keep]:
            if not self.keep_every or _step(old) % self.keep_every:
                shutil.rmtree(old)

    def _clear_torn(self) -> None:
        for torn in self.folder.glob(".step-*.tmp"):
            shutil.rmtree(torn)

    def _together(self, work: Callable[[], object], what: str) -> None:
        """Do `work`; if it fails on any rank, raise on every rank."""
        failure: Exception | None = None
        try:
            work()
        except Exception as error:  # noqa: BLE001  # whatever it is, the other ranks wait for the answer
            failure = error
        failed = int(self.ranks.sum(torch.tensor([int(failure is not None)])))
        if failed:
            where = f": {failure}" if failure else " on another rank"
            raise CheckpointError(
                f"{self.folder}: {what} the checkpoint failed{where}; earlier ones stand"
            ) from failure


def _name(step: int) -> str:
    return f"step-{step:08d}"


def _step(folder: Path) -> int:
    return int(folder.name.removeprefix("step-"))


def copy_checkpoint(folder: Path, checkpoints: Path, added: dict[str, dict[str, Tensor]]) -> None:
    """Copy a whole checkpoint into another folder of checkpoints, with further files {name: tensors}."""
    tree, copy = _read_json(folder), checkpoints / folder.name
    copy.mkdir(parents=True)
    for name in tree["files"]:
        shutil.copyfile(inside(folder, name), inside(copy, name))
    for name, tensors in added.items():
        save_file(tensors, copy / name)
        tree["files"][name] = _fingerprint(copy / name)
    with publish(copy / META) as path:
        path.write_text(json.dumps(tree, indent=1))


def damage(folder: Path) -> str | None:
    """Say what is wrong with a published checkpoint, or None: sizes and checksums of all its files."""
    try:
        files = _read_json(folder)["files"]
        wrong = next(_wrong_files(folder, files), None)
    except LmmtcError as error:
        return str(error)
    return None if wrong is None else f"{wrong} is missing or does not have the contents that were saved"


def _wrong_files(folder: Path, files: dict[str, dict[str, Any]]) -> Iterator[str]:
    for name, expected in files.items():
        path = inside(folder, name)
        if not path.is_file() or path.stat().st_size != expected["bytes"] or _fingerprint(path) != expected:
            yield name


def _read_json(folder: Path) -> dict[str, Any]:
    path = folder / META
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from None
    if tree.get("format") != FORMAT:
        raise CheckpointError(f"{path}: format {tree.get('format')!r}, this version reads {FORMAT!r}")
    return tree


def _fingerprint(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "xxh3_128": xxh3_128(path)}
