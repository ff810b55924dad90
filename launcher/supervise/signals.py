"""SIGTERM and SIGINT become a request to stop, and training decides when; other work ends, and cleans up."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from types import FrameType
from typing import NoReturn

from ..exit_codes import ExitCode

_GRACE_SECONDS = 5.0  # that a block has for its end


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
    """Let SIGTERM end the block as an error would, with 75: what is half-written goes.

    Where that does not happen within 5 seconds, because this rank waits for another in native code, or SIGTERM comes
    again, the process ends at once. For the main thread alone.
    """
    told, teller = socket.socketpair()
    teller.setblocking(False)  # as set_wakeup_fd wants it
    Thread(target=_end_for_certain, args=(told,), daemon=True).start()
    before, woken = signal.signal(signal.SIGTERM, _end), signal.set_wakeup_fd(teller.fileno())
    try:
        yield
    finally:
        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGTERM, before)
        teller.close()


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    os.write(2, b"SIGTERM: ended before all was done: start again\n")  # print may be under way
    sys.exit(ExitCode.START_AGAIN)


def _end_for_certain(told: socket.socket) -> None:
    """Read the numbers of signals as they come, also while the main thread does not come to its handlers."""
    with told:
        while (number := told.recv(1)) and number[0] != signal.SIGTERM:
            pass
        if not number:
            return  # the block has ended
        told.settimeout(_GRACE_SECONDS)
        try:
            if not told.recv(1):
                return
        except TimeoutError:
            pass
        os._exit(ExitCode.START_AGAIN)
