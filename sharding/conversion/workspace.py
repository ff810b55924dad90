"""Decides what of an unfinished conversion may be gone on with: all of it, if it was told and given the same things."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import DataError
from ..storage import publish

FOLDER = ".building"
_PLAN = "plan.json"
_LOCK = "lock"


@contextmanager
def workspace(out: Path, plan: dict[str, Any]) -> Iterator[Path]:
    """Lend the folder for parts inside `out`, where a rename is sure to stay within one file system.

    plan: what the result depends on; parts that were made under another one are deleted. The folder goes when the
    block succeeds and stays when it does not. DataError while another process works in it, or where the disk fails.
    """
    folder = out / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out}: {error.strerror}: must be a folder, or where one can be made") from error
    try:
        with FileLock(folder / _LOCK, timeout=0):
            if not _same(folder / _PLAN, plan):
                _clear(folder)
                with publish(folder / _PLAN) as temporary:
                    temporary.write_text(json.dumps(plan), encoding="utf-8")
            yield folder
            shutil.rmtree(folder)
    except Timeout:
        raise DataError(f"{out}: another conversion is at work here: wait for it, or stop it") from None
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise DataError(
            f"{error.filename or out}: {reason}: finished parts are kept: make room, or see to it, and start again"
        ) from error


def _same(path: Path, plan: dict[str, Any]) -> bool:
    return path.is_file() and json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(plan))


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != _LOCK:
            path.unlink()
