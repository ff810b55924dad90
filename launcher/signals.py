"""SIGTERM and SIGINT become a request to stop, and training decides when; other work ends, and cleans up."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from .exit_codes import ExitCode


class StopRequest:
    """Remembers that somebody asked this process to stop. The same signal again acts at once."""

    def __init__(self) -> None:
        self._asked = False

    def listen(self) -> "StopRequest":
        """Catch SIGTERM and SIGINT from now on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        return self

    def __call__(self) -> bool:
        """Whether a stop was asked for."""
        return self._asked

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._asked = True
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as an error would, with 75: what is half-written goes. The second one acts at once."""
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    os.write(2, b"SIGTERM: ended before all was done: start again\n")  # print may be under way
    sys.exit(ExitCode.START_AGAIN)
