"""The local cache of a remote store: each file is downloaded once, checked, and kept while the quota allows.

    CACHEDIR.TAG                  this folder is a cache, and ours
    room.lock                     held while room is made
    <xxh3_128>.lock               held by the one process that downloads
    <xxh3_128>.shard              whole and checked; locked while in use
    <xxh3_128>.<random>.partial   a download; nobody's, and removed, once it is not locked

The folder must be on a local disk, because the locks are flocks, and may serve any number of processes and data sets.
"""

import errno
import re
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

from filelock import FileLock

from ..errors import DataError
from ..storage import publish
from .download import download
from .pins import Pin, pin
from .quota import Quota
from .store import Store

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
