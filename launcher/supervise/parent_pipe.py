"""A pipe that ends when `lmmtc train` is gone, which its ranks notice at once, on every system."""

import os
from collections.abc import Mapping
from typing import Self

VARIABLE = "LMMTC_LEASH"


class ParentPipe:
    """A pipe into which nothing is ever written: ranks read its end after `close`, or once this process has died."""

    def __init__(self) -> None:
        self._read_end, write_end = os.pipe()
        self._write_end: int | None = write_end
        os.set_inheritable(self._read_end, True)

    def __enter__(self) -> Self:
        """Return the pipe, which is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close both ends."""
        self.close()
        os.close(self._read_end)

    @property
    def variables(self) -> dict[str, str]:
        """Tell a rank which of its file descriptors is the pipe."""
        return {VARIABLE: str(self._read_end)}

    def close(self) -> None:
        """Tell all ranks to end."""
        if self._write_end is not None:
            os.close(self._write_end)
            self._write_end = None


def inherited_pipe(environment: Mapping[str, str]) -> int | None:
    """Return the file descriptor that ends with `lmmtc train`; None where that did not start this process."""
    return int(environment[VARIABLE]) if VARIABLE in environment else None
