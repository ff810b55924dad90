"""The description of a checkpoint, meta.json: how far the run was, and its files with their checksums."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sharding import StreamGuards, StreamState, xxh3_128

from ..errors import CheckpointError
from .pieces import Sums

FORMAT = "lmmtc-checkpoint/2"
META = "meta.json"
_SUMS = {"bytes", "xxh3_128"}


@dataclass(frozen=True)
class CheckpointMeta:
    """The run at the time of a save.

    Attributes:
        step: Optimizer steps done.
        world_size: Ranks that saved.
        stream: State of the stream.
        guards: What the stream depends on.
        config: The whole configuration of the run, as plain values.
    """

    step: int
    world_size: int
    stream: StreamState
    guards: StreamGuards
    config: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "CheckpointMeta":
        """Read meta.json; CheckpointError if it is missing, torn, or of another format."""
        return cls.of(read_tree(folder))

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> "CheckpointMeta":
        """Take what belongs here from the tree of a description."""
        return cls(
            step=tree["step"],
            world_size=tree["world_size"],
            stream=StreamState.from_json(tree["stream"]),
            guards=StreamGuards.from_json(tree["guards"]),
            config=tree["config"],
        )

    def described(self, files: Sums) -> str:
        """Write the description of a checkpoint of these files."""
        return json.dumps({"format": FORMAT, **asdict(self), "files": files}, indent=1)


def read_tree(folder: Path) -> dict[str, Any]:
    """Read the description in a folder; CheckpointError as in `CheckpointMeta.read`."""
    path = folder / META
    try:
        return parsed(path.read_bytes(), str(path))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from None


def parsed(content: bytes, where: str) -> dict[str, Any]:
    """Parse a description; CheckpointError if it is torn, of another format, or lacks what `described` writes."""
    try:
        tree = json.loads(content)
        if (found := tree.get("format")) != FORMAT:
            raise CheckpointError(f"{where}: format {found!r}, this version reads {FORMAT!r}")
        CheckpointMeta.of(tree)
        if not all(sums.keys() == _SUMS for sums in tree["files"].values()):
            raise CheckpointError(f"{where}: does not give {' and '.join(sorted(_SUMS))} of every file")
    except ValueError as error:
        raise CheckpointError(f"{where}: cannot be read: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{where}: describes no checkpoint: {error!r}") from None
    return tree


def sums_of(path: Path) -> dict[str, Any]:
    """Sum a file up as `Content` does while it is written."""
    return {"bytes": path.stat().st_size, "xxh3_128": xxh3_128(path)}


def wrong(name: str) -> str:
    """Say that a file is not what was saved."""
    return f"{name} is missing or does not have the contents that were saved"
