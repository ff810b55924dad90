"""The disk quota of the cache: space for a download is reserved beforehand, and made by LRU eviction.

The order of records is known ahead, so a file could also be judged by its next use. That is not needed: training reads
each shard in one stretch an epoch, so what is left behind is next wanted an epoch later, and of those the least
recently used is as good a choice as any until the next epoch's order is drawn.
"""

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fcntl import LOCK_SH, flock
from io import FileIO
from pathlib import Path

from filelock import FileLock

from ..errors import CacheFullError
from .pins import is_pinned, remove_unless_pinned

_OURS = re.compile(r"[0-9a-f]{32}(\.shard|\.[0-9a-f]{32}\.partial)")


@dataclass(frozen=True)
class CachedFile:
    """A file of a cache.

    Attributes:
        name: File name in the folder of the cache.
        bytes: Size of the file.
        last_used: Time of the last use, by any clock.
        in_use: Whether any process of this machine uses it.
    """

    name: str
    bytes: int
    last_used: float
    in_use: bool


class Quota:
    """The disk space that the shards and partial downloads of a folder may take together.

    Args:
        folder: Folder of the cache.
        limit_bytes: Bytes at most; None: what the disk holds.
    """

    def __init__(self, folder: Path, limit_bytes: int | None) -> None:
        self._folder = folder
        self._limit = limit_bytes
        self._lock = folder / "room.lock"

    def reserve(self, partial: Path, size: int) -> FileIO:
        """Create a file of `size` bytes, pinned until it is closed, and evict others where the limit demands it.

        Raises:
            CacheFullError: What is pinned leaves too little.
            OSError: The disk is full, or fails; the file is left.
        """
        with FileLock(self._lock):
            self._make(size)
            file = FileIO(partial, "xb")
            # Before the lock ends: a partial file that nobody holds is one that nobody will finish.
            flock(file, LOCK_SH)
            try:
                if size:
                    os.posix_fallocate(file.fileno(), 0, size)
            except OSError:
                file.close()
                raise
        return file

    def keep(self, partial: Path, path: Path) -> None:
        """Rename a finished file, under the lock, so that who adds up the files counts it exactly once."""
        with FileLock(self._lock):
            partial.replace(path)

    def _make(self, size: int) -> None:
        for orphan in self._folder.glob("*.partial"):
            self._remove(orphan.name)
        if self._limit is None:
            return
        try:
            # Again, because a file may have been pinned since it was chosen.
            while chosen := to_evict(self._files(), size, self._limit):
                for file in chosen:
                    self._remove(file.name)
        except CacheFullError as error:
            raise CacheFullError(f"cache {self._folder}: {error}") from None

    def _files(self) -> list[CachedFile]:
        files = []
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):  # its download has failed meanwhile
                if _OURS.fullmatch(path.name):
                    facts = path.stat()
                    files.append(CachedFile(path.name, facts.st_size, facts.st_mtime, is_pinned(path)))
        return files

    def _remove(self, name: str) -> None:
        if _OURS.fullmatch(name):
            remove_unless_pinned(self._folder / name)


def to_evict(files: Sequence[CachedFile], needed: int, limit: int) -> list[CachedFile]:
    """Choose the least recently used files whose removal makes space for `needed` bytes, and no more of them.

    Args:
        files: All files of the cache.
        needed: Bytes of the new file.
        limit: Bytes of all files at most.

    Returns:
        The files to remove.

    Raises:
        CacheFullError: What is in use leaves too little; the error names the limit that would do.
    """
    in_use = sum(file.bytes for file in files if file.in_use)
    if in_use + needed > limit:
        raise CacheFullError(
            f"{in_use} of {limit} bytes are in use and {needed} more are needed: "
            f"the limit must be at least {in_use + needed} bytes"
        )
    excess = sum(file.bytes for file in files) + needed - limit
    chosen = []
    for file in sorted((file for file in files if not file.in_use), key=lambda file: file.last_used):
        if excess <= 0:
            break
        chosen.append(file)
        excess -= file.bytes
    return chosen
