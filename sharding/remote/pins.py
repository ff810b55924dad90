"""Pins on cached files: a shared file lock keeps a file from eviction, and ends with its process at the latest."""

import os
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from pathlib import Path
from types import TracebackType
from typing import BinaryIO


class Pin:
    """A complete file in a cache, which stays there until it is released: by hand, by a `with`, or when nobody has it.

    Whoever maps the file may release the pin at once, and keeps the content: only the bound on the cache is then no
    bound on the disk, because an evicted file that is mapped keeps its blocks.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        # Not the file itself: its own end, of which Python warns, might come before that of a pin that nobody has.
        self._descriptor: int | None = os.dup(file.fileno())
        file.close()

    def release(self) -> None:
        """Allow the file to be evicted; further calls have no effect."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None

    def __del__(self) -> None:
        self.release()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def pin(path: Path) -> Pin | None:
    """Pin a file, and note that it is used now; None when it is not there."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    flock(file, LOCK_SH)
    if os.fstat(file.fileno()).st_nlink == 0:  # evicted between the two lines above
        file.close()
        return None
    os.utime(file.fileno())
    return Pin(path, file)


def is_pinned(path: Path) -> bool:
    """Tell whether any process of this machine has a pin on the file."""
    with path.open("rb") as file:
        return not _locked_alone(file)


def remove_unless_pinned(path: Path) -> None:
    """Remove a file, unless it has been pinned, or removed, meanwhile."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        if _locked_alone(file):
            path.unlink()


def _locked_alone(file: BinaryIO) -> bool:
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    return True
