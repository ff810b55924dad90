"""A writable S3 bucket for checkpoints: streaming uploads, conditional writes and removal."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import S3Store as Client

from ..storage import inside
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
