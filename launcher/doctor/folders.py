"""Checks of a folder that a run writes to: it can be written, has space, and its clock is the machine's."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

from .finding import Finding

_GIB = 2**30
_SECONDS_APART = 5.0


def check_folder(what: str, folder: Path, needed: float = 1.0) -> Iterator[Finding]:
    """Try the folder, or where it would be made.

    Args:
        what: Name of the check, as the configuration calls the folder.
        folder: Need not be there yet.
        needed: GiB that should be free.
    """
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    try:
        with TemporaryFile(dir=there) as file:
            file.write(b"lmmtc")
            file.flush()
            os.fsync(file.fileno())  # over a network, only then has the server seen it
            written, now = os.fstat(file.fileno()).st_mtime, time.time()
        free = shutil.disk_usage(there).free / _GIB
    except OSError as error:
        advice = "choose another folder, or make this one writable"
        yield Finding(what, "wrong", f"{folder}: cannot be written: {error.strerror}", advice)
        return
    if free < needed:
        advice = f"make room: {needed:.1f} GiB are wanted"
        yield Finding(what, "warning", f"{folder}: {free:.1f} GiB free", advice)
    else:
        yield Finding(what, "ok", f"{folder}: {free:.1f} GiB free")
    yield check_clocks(what, written, now)


def check_clocks(what: str, written: float, now: float) -> Finding:
    """Compare the time that a file system gave a new file with the machine's, both in seconds since 1970."""
    found = f"the file system's and the machine's are {abs(written - now):.1f} s apart"
    if abs(written - now) > _SECONDS_APART:
        return Finding(f"{what}, clock", "warning", found, "let both be set by NTP: the age of files is judged by them")
    return Finding(f"{what}, clock", "ok", found)
