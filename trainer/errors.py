"""The errors of training, one per cause; the launcher maps each to an exit code."""

from sharding import LmmtcError


class ConfigError(LmmtcError):
    """The configuration cannot work, however often it is started again."""


class CheckpointError(LmmtcError):
    """A checkpoint cannot be written, or is damaged, or belongs to another run."""


class UnreadableError(CheckpointError):
    """A checkpoint cannot be read now, which says nothing of what is in it."""


class PeerLostError(LmmtcError):
    """Another rank has died, or cannot be reached: nothing can be saved any more, and the last checkpoint stands."""


class NonFiniteError(LmmtcError):
    """Too many steps in a row had a loss or a gradient that is not a finite number."""
