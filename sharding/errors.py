"""The exception hierarchy: every error that the project raises on purpose descends from `LmmtcError`."""


class LmmtcError(Exception):
    """The root: whatever the project raises on purpose."""


class DataError(LmmtcError):
    """Data, or what was asked of it, cannot work."""


class BadRecordError(DataError):
    """One record of a source cannot be read; the others may be fine."""


class LeftOutError(BadRecordError):
    """One row of a source counts for nothing, and that is no fault: it has no text, or was not accepted."""


class UnknownLabelError(DataError):
    """A label is not in the vocabulary."""


class CorruptShardError(DataError):
    """A shard does not hold what its manifest says."""


class CacheFullError(DataError):
    """A cache cannot hold what is in use, and a file that is needed."""


class ManifestError(DataError):
    """A folder's manifest is missing, damaged or of an unknown version."""


class UnreachableError(LmmtcError):
    """A store does not answer now, however often it was asked: nothing is wrong with the data, and it may pass."""


class StreamMismatchError(DataError):
    """A saved stream state belongs to another stream."""
