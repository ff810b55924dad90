"""The store interface on a local folder."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from ..errors import DataError
from ..storage import inside, publish, sync
from .counts import FetchCounts


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
