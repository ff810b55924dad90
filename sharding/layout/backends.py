"""Storage backends: where the shards of an open data set are read from, its own folder or a cache of a remote store."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..storage import inside
from .manifest import FileInfo


class HeldFile(Protocol):
    """A file that stays at its path until it is released."""

    path: Path

    def release(self) -> None:
        """Allow the file to be evicted; further calls have no effect."""
        ...


class StorageBackend(Protocol):
    """Where the files of shards are.

    Attributes:
        fetches: Whether they are remote: those that are held then take space of a cache.
    """

    @property
    def fetches(self) -> bool: ...

    def hold(self, info: FileInfo) -> HeldFile:
        """Return a complete local file, and keep it until it is released; CacheFullError when too much is held."""
        ...

    def expect(self, info: FileInfo) -> None:
        """Prefetch a file that will be held soon."""
        ...

    def name(self, info: FileInfo) -> str:
        """Return the full name of a file, for messages."""
        ...

    def close(self) -> None:
        """Cancel all prefetching; no file can be held after this."""
        ...


@dataclass(frozen=True)
class CacheSettings:
    """The local cache for remote data sets.

    Attributes:
        folder: A folder on a local disk.
        limit_bytes: Bytes of shards at most; None: what the disk holds.
    """

    folder: Path
    limit_bytes: int | None = None


@dataclass
class LocalFile:
    """A file of a local data set, which is never evicted."""

    path: Path

    def release(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class LocalBackend:
    """A data set on a local disk, whose files are mapped where they are."""

    root: Path
    fetches: bool = False

    def hold(self, info: FileInfo) -> LocalFile:
        """Return a file of the folder."""
        return LocalFile(inside(self.root, info.path))

    def expect(self, info: FileInfo) -> None:
        """Do nothing: the file is local."""

    def name(self, info: FileInfo) -> str:
        """Return its path."""
        return str(inside(self.root, info.path))

    def close(self) -> None:
        """Do nothing: nothing is prefetched."""
