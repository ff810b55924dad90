"""The chunk plan: a partition of all labels into chunks of one size, by id or by similarity."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import CorruptShardError, DataError
from ..formats import ArrowShard, write_shard
from ..storage import publish
from .tree import balanced_order


@dataclass(frozen=True, eq=False)
class ChunkPlan:
    """Every label in one chunk.

    As a file: an Arrow table with the columns label and chunk, in this order.

    Attributes:
        order: int64 [L]; each `size` label ids of it are a chunk, the last may have fewer.
        size: Labels of a chunk.
    """

    order: NDArray[np.int64]
    size: int

    @classmethod
    def by_id(cls, num_labels: int, size: int) -> "ChunkPlan":
        """Put labels with consecutive ids together."""
        return cls(np.arange(num_labels), size)

    @classmethod
    def by_likeness(cls, features: Any, size: int) -> "ChunkPlan":
        """Put labels with similar rows of a sparse matrix [L, F] together."""
        return cls(balanced_order(features, size), size)

    @classmethod
    def load(cls, path: Path) -> "ChunkPlan":
        """Read a saved plan; DataError when the file is missing, damaged, or does not hold every label once."""
        try:
            rows = ArrowShard.open(path).rows
            order, chunks = rows["label"].to_numpy(), rows["chunk"].to_numpy()
        except (CorruptShardError, KeyError) as error:
            raise DataError(f"chunk plan {path}: cannot be read: {error}") from error
        if not np.array_equal(np.sort(order), np.arange(len(order))):
            raise DataError(f"chunk plan {path}: must hold each of {len(order)} labels once")
        return cls(order, int((chunks == 0).sum()))

    def save(self, path: Path) -> None:
        """Publish it as one file."""
        rows = pa.record_batch({"label": pa.array(self.order), "chunk": pa.array(np.arange(len(self)) // self.size)})
        with publish(path) as temporary:
            write_shard(temporary, rows)

    def __len__(self) -> int:
        return len(self.order)
