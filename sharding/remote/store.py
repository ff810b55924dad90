"""The store interface (S3 bucket or local folder), opened by address."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from ..errors import DataError
from ..storage import inside, publish, sync
from .bucket import Bucket
from .counts import FetchCounts
from .retry import RetryPolicy
from .s3 import S3Store

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class Store(Protocol):
    """Files under names like train/00000.arrow; every error names the file by its whole address.

    Attributes:
        url: The address.
        counts: Where bytes and retries are added.

    Raises:
        UnreachableError: From every method, when the store does not answer; it may do so at another time.
    """

    url: str
    counts: FetchCounts

    def size(self, name: str) -> int:
        """Give the bytes of a file; DataError when there is none."""
        ...

    def read(self, name: str, start: int, stop: int) -> bytes:
        """Read bytes from `start` up to `stop`, at most a few MiB; DataError when they are not to be had."""
        ...

    def list(self, prefix: str = "") -> Sequence[str]:
        """Name the files in the folder `prefix` and below, in order."""
        ...

    def write(self, name: str, path: Path, *, if_none_match: bool = False) -> None:
        """Copy a local file into the store: others see it whole or not at all.

        Args:
            name: Name of the file in the store.
            path: Path of the local file.
            if_none_match: Raise a DataError when the name is taken by another content; of several writers at once, one
                succeeds. The same content counts as written, so that a publication can be repeated.
        """
        ...


def open_store(url: str, *, patience: RetryPolicy | None = None, counts: FetchCounts | None = None) -> Store:
    """Open a store by its address; no request is made yet.

    Args:
        url: s3://bucket/prefix, file:///folder or a path.
        patience: How requests are retried; None: the defaults.
        counts: Where its bytes and retries are added.

    Raises:
        DataError: Another scheme, an S3 address without a bucket, or one with a password: addresses end up in logs.
    """
    counts = counts or FetchCounts()
    match = _SCHEME.match(url)
    if not match:
        return LocalStore(Path(url), counts)
    parts = urlsplit(url)
    scheme = match[1].lower()
    if "@" in parts.netloc or (scheme == "s3" and (parts.query or parts.fragment)):
        raise DataError(
            f"store {scheme}://{parts.netloc.rpartition('@')[2]}...: must be scheme://place/path and nothing else: "
            "credentials belong in the environment or in ~/.aws"
        )
    if scheme == "file" and not parts.netloc:
        return LocalStore(Path(unquote(parts.path)), counts)
    if scheme != "s3" or not parts.netloc:
        raise DataError(f"store {url!r}: must be s3://bucket/prefix, file:///folder or a path")
    return S3Store.connect(parts.netloc, parts.path.strip("/"), os.environ, patience or RetryPolicy(), counts)


def open_bucket(url: str, *, patience: RetryPolicy | None = None) -> Bucket:
    """Open s3://bucket/prefix as a bucket that can be written repeatedly."""
    parts = urlsplit(url)
    return Bucket.connect(parts.netloc, parts.path.strip("/"), os.environ, patience or RetryPolicy(), FetchCounts())


class LocalStore:
    """A folder as a `Store`; nothing is retried, because errors of a disk are not transient."""

    def __init__(self, folder: Path, counts: FetchCounts) -> None:
        self.url = folder.absolute().as_uri()
        self.counts = counts
        self._folder = folder

    def size(self, name: str) -> int:
        """Give the bytes of a file; DataError when there is none."""
        return self._existing(name).stat().st_size

    def read(self, name: str, start: int, stop: int) -> bytes:
        """Read bytes from `start` up to `stop`; DataError when there are fewer."""
        with self._existing(name).open("rb") as file:
            file.seek(start)
            content = file.read(stop - start)
        if len(content) != stop - start:
            raise DataError(f"{self._folder / name}: ends after {start + len(content)} bytes: {stop} were asked for")
        self.counts.add(bytes=len(content))
        return content

    def list(self, prefix: str = "") -> Sequence[str]:
        """Name the files in the folder `prefix`, in order."""
        root = inside(self._folder, prefix) if prefix else self._folder
        return sorted(path.relative_to(self._folder).as_posix() for path in root.rglob("*") if path.is_file())

    def write(self, name: str, path: Path, *, if_none_match: bool = False) -> None:
        """Copy a file in, as `Store.write` says."""
        target = inside(self._folder, name)
        with publish(target) as temporary:
            shutil.copyfile(path, temporary)
            if if_none_match:
                self._claim(target, temporary)

    def _claim(self, target: Path, temporary: Path) -> None:
        sync(temporary)
        try:
            # Two names of one file: the rename that follows is then without effect.
            os.link(temporary, target)
        except FileExistsError:
            if target.read_bytes() != temporary.read_bytes():
                raise DataError(f"{target}: is there already, with another content: choose another folder") from None

    def _existing(self, name: str) -> Path:
        path = inside(self._folder, name)
        if not path.is_file():
            raise DataError(f"{path}: no such file")
        return path
