"""Remote stores: the interface of a bucket or a local folder, opened by address, with retries and counts."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import S3Store as Client

from ..errors import DataError
from ..storage import inside, publish, sync
from .counts import FetchCounts
from .retry import RetryPolicy
from .s3 import S3Store, connected

_PART = 8 << 20
_MOST_PARTS = 9_000  # S3 takes 10,000
_AT_ONCE = 4


class Pieces(Protocol):
    """Bytes that can be taken more than once, a few MiB at a time; how many they are is known before."""

    size: int

    def __iter__(self) -> Iterator[memoryview]: ...


class Bucket(S3Store):
    """The objects below a prefix, as a store that may be written again."""

    def __init__(
        self, bucket: str, prefix: str, client: Client, patience: RetryPolicy, counts: FetchCounts, uploader: Client
    ) -> None:
        super().__init__(bucket, prefix, client, patience, counts)
        self._uploader = uploader

    @classmethod
    def connect(
        cls, bucket: str, prefix: str, environment: Mapping[str, str], patience: RetryPolicy, counts: FetchCounts
    ) -> Self:
        """Make clients of what the environment says; that for uploads tries each part of a large object again."""
        client, uploader = (connected(bucket, environment, patience, tries=tries) for tries in (1, patience.tries))
        return cls(bucket, prefix, client, patience, counts, uploader)

    def stream(self, name: str, pieces: Pieces) -> None:
        """Upload what comes in pieces: others see it whole or not at all. What the pieces raise is raised."""
        part = max(_PART, -(-pieces.size // _MOST_PARTS))
        self._ask(
            name,
            lambda key: obstore.put(self._uploader, key, iter(pieces), chunk_size=part, max_concurrency=_AT_ONCE),
        )

    def get(self, name: str) -> tuple[bytes, str] | None:
        """Read a small object and its version; None when there is none."""

        def ask(key: str) -> tuple[bytes, str] | None:
            try:
                answer = obstore.get(self._client, key)
            except FileNotFoundError:
                return None
            return bytes(answer.bytes()), answer.meta["e_tag"] or ""

        return self._ask(name, ask)

    def swap(self, name: str, content: bytes, version: str | None) -> str | None:
        """Write an object only if its version is still the one that was seen (compare and swap).

        Args:
            name: Name of the object.
            content: What it shall hold.
            version: As `get` has returned it; None: there was no such object.

        Returns:
            The new version; None, with nothing written, when the object has another version by now: of several writers
            at once, one succeeds.
        """

        def put(key: str) -> str | None:
            mode: Any = "create" if version is None else {"e_tag": version}
            try:
                return obstore.put(self._client, key, content, mode=mode)["e_tag"]
            except (AlreadyExistsError, PreconditionError, FileNotFoundError):
                return None

        written = self._ask(name, put)
        if written is None and (now := self.get(name)) and now[0] == content:
            return now[1]  # the end of a write whose first answer was lost
        return written

    def sizes(self, prefix: str = "") -> dict[str, int]:
        """Name the objects in the folder `prefix` and below, with their bytes."""
        start = len(self._prefix) + 1 if self._prefix else 0

        def ask(key: str) -> dict[str, int]:
            pages = obstore.list(self._client, key or None)
            return {item["path"][start:]: item["size"] for items in pages for item in items}

        return self._ask(prefix, ask)

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects; those that are gone already do not matter."""
        keys = [inside(Path(self._prefix), name).as_posix() for name in names]
        if keys:
            self._ask("", lambda _: obstore.delete(self._client, keys))


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
