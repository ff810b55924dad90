"""Download a file and verify its size and checksum, with a new download where they are wrong."""

import os

import xxhash

from ..errors import CorruptShardError
from .store import Store

_PIECE = 8 << 20
_TIMES = 3


def download(store: Store, name: str, size: int, xxh3_128: str, descriptor: int) -> None:
    """Fill an open file with the content of `name`, and sync it to disk.

    A download that arrives damaged is repeated.

    Args:
        store: Where the file is; its errors are raised as they are.
        name: Name of the file in the store.
        size: Bytes of the file.
        xxh3_128: Its checksum, 32 hex digits.
        descriptor: Descriptor of the open file.

    Raises:
        CorruptShardError: None of three downloads has the checksum, or the store's file has another size.
        OSError: The disk is full, or fails.
    """
    expected = f"{size} bytes with xxh3_128 {xxh3_128}"
    found = ""
    for _ in range(_TIMES):
        found = _fill(store, name, size, descriptor)
        if found == expected:
            os.fsync(descriptor)
            return
        store.counts.add(checksum_failures=1)
    raise CorruptShardError(
        f"shard {store.url}/{name}: its manifest says {expected}, found {found}, {_TIMES} times: upload it again"
    )


def _fill(store: Store, name: str, size: int, descriptor: int) -> str:
    if (there := store.size(name)) != size:
        return f"{there} bytes"
    digest = xxhash.xxh3_128()
    for start in range(0, size, _PIECE):
        piece = store.read(name, start, min(start + _PIECE, size))
        digest.update(piece)
        _write(descriptor, piece, start)
    return f"{size} bytes with xxh3_128 {digest.hexdigest()}"


def _write(descriptor: int, piece: bytes, start: int) -> None:
    rest = memoryview(piece)
    while rest:
        written = os.pwrite(descriptor, rest, start)
        start, rest = start + written, rest[written:]
