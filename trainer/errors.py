"""The errors of training, one per cause; the launcher maps each to an exit code."""

from sharding import LmmtcError


class ConfigError(LmmtcError):
    """The configuration cannot work, however often it is started again."""


class CheckpointError(LmmtcError):
    """A checkpoint cannot be written, or is damaged, or belongs to another run."""


class NonFiniteError(LmmtcError):
    """Too many steps in a row had a loss or a gradient that is not a finite number."""
