"""Atomic, durable publication of files and folders (temporary name, fsync, rename), and checksums."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

import xxhash

from .errors import DataError


@contextmanager
def publish(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; what the block writes there becomes `path` when it succeeds.

    The file is on disk before it gets its name, and the name before this returns. Missing folders are made. When the
    block raises, nothing is left behind and an older `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def publish_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside `path`, which becomes `path` with all that the block wrote there.

    It is on disk before it gets its name. When the block raises, nothing is left behind.

    Raises:
        DataError: `path` is there already and is anything but an empty folder; raised before the block.
    """
    path = path.resolve()
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise DataError(f"{path}: is there already: name a folder that is new, or empty")
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for written in [*temporary.rglob("*"), temporary]:
            sync(written)
        temporary.rename(path)
        sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def xxh3_128(path: Path) -> str:
    """Checksum a file against accidents: xxh3_128, 32 hex digits."""
    return _hex_digest(path, xxhash.xxh3_128)


def sha256(path: Path) -> str:
    """Checksum a file against forgery: sha256, 64 hex digits; some thirty times the price of xxh3_128."""
    return _hex_digest(path, hashlib.sha256)


def inside(root: Path, name: str) -> Path:
    """Resolve a file name that came from data; DataError when it is absolute or climbs out of `root`."""
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts or not relative.parts:
        raise DataError(f"file name {name!r}: must be relative to {root} and stay inside it")
    return root / relative


def sync(path: Path) -> None:
    """Put a file, or the names in a folder, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hex_digest(path: Path, digest: Callable[[], Any]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, digest).hexdigest()
