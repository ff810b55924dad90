"""Decides where the files of a data set are while they are read: in its own folder, or somewhere that fetches them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..storage import inside
from .manifest import FileInfo


class HeldFile(Protocol):
    """A file that stays at its path until it is released."""

    path: Path

    def release(self) -> None:
        """Let it go; the second time without effect."""
        ...


class StorageBackend(Protocol):
    """Where files of shards are. fetches: they come from elsewhere, and what is held takes room that others need."""

    @property
    def fetches(self) -> bool: ...

    def hold(self, info: FileInfo) -> HeldFile:
        """Give a file that is whole, and keep it; CacheFullError when too much is held."""
        ...

    def expect(self, info: FileInfo) -> None:
        """Be told that a file will be wanted soon."""
        ...

    def name(self, info: FileInfo) -> str:
        """Name a file in full, for messages."""
        ...

    def close(self) -> None:
        """Give up what is expected: nothing is held any more after this."""
        ...


@dataclass(frozen=True)
class CacheSettings:
    """Where files from elsewhere are kept, on a local disk, and how many bytes of shards at most (None: any)."""

    folder: Path
    limit_bytes: int | None = None


@dataclass
class LocalFile:
    """A file that nothing removes."""

    path: Path

    def release(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class LocalBackend:
    """A data set on a local disk: mapping a file costs nothing, and it stays."""

    root: Path
    fetches: bool = False

    def hold(self, info: FileInfo) -> LocalFile:
        """Name a file of the folder."""
        return LocalFile(inside(self.root, info.path))

    def expect(self, info: FileInfo) -> None:
        """Do nothing: it is here."""

    def name(self, info: FileInfo) -> str:
        """Give its path."""
        return str(inside(self.root, info.path))

    def close(self) -> None:
        """Do nothing: nothing is under way."""
