"""The interface of an open shard: random access to its rows, whatever its format on disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import CorruptShardError


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


def map_file(path: Path) -> pa.Buffer:
    """Map a whole file, read-only; it stays mapped as long as the buffer lives. OSError when it cannot be."""
    with pa.memory_map(str(path)) as file:
        return file.read_buffer()


def check_ids(shard: str, column: str, ids: NDArray[np.integer], end: int) -> None:
    """Raise a CorruptShardError unless all ids are below `end`."""
    if len(ids) and (highest := ids.max()) >= end:
        raise CorruptShardError(
            f"shard {shard}: column {column!r} holds {highest}: must be below {end}: see `lmmtc verify`, convert again"
        )
