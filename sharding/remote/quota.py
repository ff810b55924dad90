"""Decides how a download gets its place on the disk: all of it beforehand, within the limit of the cache."""

import os
import re
from contextlib import suppress
from fcntl import LOCK_SH, flock
from io import FileIO
from pathlib import Path

from filelock import FileLock

from ..errors import CacheFullError
from .eviction import CachedFile, to_evict
from .pins import is_pinned, remove_unless_pinned

_OURS = re.compile(r"[0-9a-f]{32}(\.shard|\.[0-9a-f]{32}\.partial)")


class Quota:
    """The bytes that the shards and partial downloads of a folder may take together (None: what the disk holds)."""

    def __init__(self, folder: Path, limit_bytes: int | None) -> None:
        self._folder = folder
        self._limit = limit_bytes
        self._lock = folder / "room.lock"

    def reserve(self, partial: Path, size: int) -> FileIO:
        """Make a new file of `size` bytes, which is pinned until it is closed, and evict others where it must be.

        Raises CacheFullError when what is pinned leaves too little; OSError, and leaves a file, when the disk does.
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
        """Give a finished file its name; others who count files see it once, not twice and not never."""
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
