"""The local cache of a remote store: each file is downloaded once, checked, and kept while the quota allows.

    CACHEDIR.TAG                  this folder is a cache, and ours
    room.lock                     held while room is made
    <xxh3_128>.lock               held by the one process that downloads
    <xxh3_128>.shard              whole and checked; locked while in use
    <xxh3_128>.<random>.partial   a download; nobody's, and removed, once it is not locked

The folder must be on a local disk, because the locks are flocks, and may serve any number of processes and data sets.
"""

import errno
import os
import re
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fcntl import LOCK_SH, flock
from io import FileIO
from pathlib import Path
from uuid import uuid4

from filelock import FileLock

from ..errors import CacheFullError, DataError
from ..storage import publish
from .download import download
from .pins import Pin, is_pinned, pin, remove_unless_pinned
from .store import Store

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


TAG = "CACHEDIR.TAG"
# The first line is what backup programs look for in a folder that they may leave out: https://bford.info/cachedir
TAG_CONTENT = (
    b"Signature: 8a477f597d28d172789f06886806bc55\n# Shards that lmmtc downloads again when they are missing.\n"
)

_CHECKSUM = re.compile(r"[0-9a-f]{32}")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Cache:
    """Files of one store in a local folder.

    Files are told apart by their checksums, so that data sets share what they have in common. Only what a cache has
    downloaded is ever removed.

    Args:
        folder: A folder on a local disk.
        limit_bytes: Bytes of all files at most; None: as much as the disk holds.
        store: Where the files come from.

    Raises:
        DataError: The folder holds anything but a cache.
    """

    def __init__(self, folder: Path, limit_bytes: int | None, store: Store) -> None:
        self._folder = folder
        self._store = store
        _claim(folder)
        self._room = Quota(folder, limit_bytes)

    def fetch(self, name: str, size: int, xxh3_128: str) -> Path:
        """Return the local path of a complete file, as `pinned` does; the next fetch may evict it."""
        with self.pinned(name, size, xxh3_128) as path:
            return path

    def pinned(self, name: str, size: int, xxh3_128: str) -> Pin:
        """Download a file unless it is cached, and keep it until the pin is released.

        Of several threads and processes that want it, one downloads and the others wait. Errors leave no partial file.

        Args:
            name: Name of the file in the store.
            size: Bytes of the file.
            xxh3_128: Its checksum, 32 hex digits.

        Raises:
            CorruptShardError: The store holds something else.
            UnreachableError: The store does not answer.
            CacheFullError: The limit is too small for all that is pinned.
            DataError: There is no such file, or the disk is full.
        """
        if not _CHECKSUM.fullmatch(xxh3_128):
            raise DataError(f"shard {self._store.url}/{name}: xxh3_128 = {xxh3_128!r}: must be 32 hex digits")
        path = self._folder / f"{xxh3_128}.shard"
        if found := self._hit(path):
            return found
        with FileLock(path.with_suffix(".lock")):
            return self._hit(path) or self._download(name, size, xxh3_128, path)

    @property
    def store(self) -> Store:
        """Where the files come from."""
        return self._store

    def _hit(self, path: Path) -> Pin | None:
        found = pin(path)
        if found:
            self._store.counts.add(hits=1)
        return found

    def _download(self, name: str, size: int, xxh3_128: str, path: Path) -> Pin:
        partial = path.with_suffix(f".{uuid4().hex}.partial")
        try:
            with ExitStack() as undo:
                undo.callback(partial.unlink, missing_ok=True)
                file = undo.enter_context(self._room.reserve(partial, size))
                download(self._store, name, size, xxh3_128, file.fileno())
                self._room.keep(partial, path)
                undo.pop_all()
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise DataError(
                f"cache {self._folder}: the disk is full: {name} needs {size} bytes: free some, "
                "or give the cache a limit that the disk can hold"
            ) from error
        self._store.counts.add(fetches=1)
        return Pin(path, file)


def _claim(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tag = folder / TAG
    inhabitants = [path.name for path in folder.iterdir() if not path.name.startswith(f".{TAG}.")]
    # After the listing: another process may be claiming the folder, and publishes the tag before all else.
    if tag.is_file():
        if tag.read_bytes() != TAG_CONTENT:
            raise DataError(f"cache {folder}: is the cache of another program: name a folder that is new, or empty")
    elif inhabitants:
        raise DataError(f"cache {folder}: holds {inhabitants[0]} and no cache: name a folder that is new, or empty")
    else:
        with publish(tag) as temporary:
            temporary.write_bytes(TAG_CONTENT)
