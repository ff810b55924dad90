"""The interface of checkpoint storage: files of all ranks become visible together, or not at all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from torch import Tensor

from ..distributed import Ranks
from ..labels import RowRange
from .meta import CheckpointMeta

Files = Mapping[str, Mapping[str, Tensor]]
Keeps = Callable[[Sequence[int]], set[int]]


@dataclass(frozen=True)
class Saved:
    """What is known of a checkpoint without reading its tensors.

    Attributes:
        meta: Its description.
        at: Time of its save.
        bytes: Size of its files.
    """

    meta: CheckpointMeta
    at: datetime
    bytes: int


class CheckpointStorage(Protocol):
    """A folder of one file system that all ranks see, or a bucket; `str` of it is its address.

    `prepare` comes first and on rank 0 alone, then `write` on every rank, and, once all have written, `publish` on
    rank 0. All that is asked of a place may raise CheckpointError for what is damaged, DataError and OSError for what
    cannot be reached.
    """

    def prepare(self) -> None:
        """Make ready for a save."""
        ...

    def write(self, step: int, number: int, rank: int, files: Files) -> None:
        """Put the files of one rank where nobody reads yet; no other save, of whatever run, has this number."""
        ...

    def publish(self, meta: CheckpointMeta, number: int, keeps: Keeps) -> None:
        """Publish what all ranks have written, and remove other checkpoints, as `keeps` says of their steps."""
        ...

    def steps(self) -> list[int]:
        """List the steps of visible checkpoints, oldest first."""
        ...

    def fetch(self, step: int, ranks: Ranks, rows: RowRange | None) -> Path:
        """Return a folder with the files that this rank needs: all, or only a range of label rows; see `release`."""
        ...

    def release(self) -> None:
        """Remove what was fetched."""
        ...

    def damage(self, step: int) -> str | None:
        """Say what is wrong with a checkpoint, or None: sizes and checksums of all its files."""
        ...

    def describe(self, step: int) -> Saved:
        """Tell how far the run was, when it was saved, and how much there is."""
        ...
