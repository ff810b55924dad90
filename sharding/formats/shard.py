"""The interface of an open shard: random access to its rows, whatever its format on disk."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


class Shard(Protocol):
    """A shard whose file is mapped. All formats give the same rows, to the bit, under `shard_schema`."""

    @property
    def num_rows(self) -> int:
        """How many records there are."""
        ...

    @property
    def rows(self) -> pa.RecordBatch:
        """All records with all columns; held in memory, or mapped, for as long as they are used."""
        ...

    def take(self, rows: NDArray[np.int64], columns: Sequence[str]) -> pa.RecordBatch:
        """Copy out at least one row, in the order asked for; CorruptShardError where the file contradicts itself."""
        ...
