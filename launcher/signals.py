"""SIGTERM and SIGINT become a request to stop; the training loop decides when."""

import signal
from types import FrameType


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
