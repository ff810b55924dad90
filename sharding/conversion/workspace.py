"""The work folder of an unfinished conversion: locked while in use, resumed only with the same settings and source."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout

from ..errors import DataError

FOLDER = ".building"
_LOCK = "lock"


@contextmanager
def workspace(out: Path, plan: dict[str, Any]) -> Iterator[Path]:
    """Yield the folder for intermediate files inside `out`, where a rename is sure to stay within one file system.

    Each plan has a folder of its own, because a worker may still be at a task of an earlier conversion; those of other
    plans are deleted. The folder is removed when the block succeeds, and stays when it does not.

    Args:
        out: The folder of the data set.
        plan: What the result depends on.

    Raises:
        DataError: Another process works in the folder, or the disk fails.
    """
    building = out / FOLDER
    try:
        building.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out}: {error.strerror}: must be a folder, or where one can be made") from error
    folder = building / hashlib.sha256(json.dumps(plan).encode()).hexdigest()[:16]
    try:
        with FileLock(building / _LOCK, timeout=0):
            for other in building.iterdir():
                if other.is_dir() and other != folder:
                    _delete(other)
            folder.mkdir(exist_ok=True)
            yield folder
            _delete(folder)
            # A worker that comes late may be writing at this moment; nobody goes on with that.
            shutil.rmtree(building, ignore_errors=True)
    except Timeout:
        raise DataError(f"{out}: another conversion is at work here: wait for it, or stop it") from None
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise DataError(
            f"{error.filename or out}: {reason}: finished parts are kept: make room, or see to it, and start again"
        ) from error


def _delete(folder: Path) -> None:
    """Delete parts under another name, so that a kill in the middle leaves none that look finished."""
    shutil.rmtree(folder.rename(folder.with_name(f"{uuid4().hex}.old")))
