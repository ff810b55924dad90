"""What a process says when it ends: schedulers decide by these numbers whether to start it again."""

import os
from enum import IntEnum

from sharding import DataError, LmmtcError
from trainer.errors import ConfigError, PeerLostError
from trainer.telemetry import TelemetryError

from .terminal.stderr import complain


class ExitCode(IntEnum):
    """0 done; 75 start me again; 78 do not, the configuration is wrong; 1 a fault."""

    DONE = 0
    FAULT = 1
    START_AGAIN = 75
    CONFIGURATION = 78


def exit_code(error: LmmtcError) -> ExitCode:
    """Tell errors that a restart mends, and those that it cannot mend, from faults."""
    if isinstance(error, PeerLostError):
        return ExitCode.START_AGAIN
    return ExitCode.CONFIGURATION if isinstance(error, ConfigError | DataError | TelemetryError) else ExitCode.FAULT


def report(error: LmmtcError) -> ExitCode:
    """Say on stderr what went wrong, and where there are several ranks, on which; returns the exit code."""
    complain(f"{named_rank()}{type(error).__name__}: {error}")
    return exit_code(error)


def named_rank() -> str:
    """Name this rank in front of what it says, where there are several."""
    return "" if os.environ.get("WORLD_SIZE", "1") == "1" else f"[rank {os.environ.get('RANK')}] "
