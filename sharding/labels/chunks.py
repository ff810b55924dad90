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


_ROUNDS = 20  # of which a split seldom takes more than ten

Rows = Any  # a scipy.sparse CSR array: scipy comes without types


def balanced_order(features: Rows, size: int) -> NDArray[np.int64]:
    """Order the rows of a sparse matrix so that every `size` of them are alike; only the last may be fewer.

    The same features give the same order with any number of threads; of equal rows the first come first. Time:
    O(entries * log(L / size)).

    Args:
        features: Sparse rows [L, F].
        size: Rows of a cluster.

    Returns:
        int64 [L], a permutation.
    """
    rows_LF = features.astype(np.float64)
    return np.concatenate(_leaves(rows_LF, np.arange(rows_LF.shape[0]), size))


def _leaves(rows_LF: Rows, members_N: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    pieces = -(-len(members_N) // size)
    if pieces <= 1:
        return [members_N]
    left_N = _split(rows_LF[members_N], (pieces + 1) // 2 * size)
    return _leaves(rows_LF, members_N[left_N], size) + _leaves(rows_LF, members_N[~left_N], size)


def _split(rows_NF: Rows, on_left: int) -> NDArray[np.bool_]:
    """Choose so many rows for the left: those whose place there adds most to |sum of left| + |sum of right|."""
    left_N = _nearest(rows_NF, _first_direction(rows_NF), on_left)
    for _ in range(_ROUNDS):
        before_N = left_N
        direction_F = _direction(_sum(rows_NF, left_N)) - _direction(_sum(rows_NF, ~left_N))
        left_N = _nearest(rows_NF, direction_F, on_left)
        if np.array_equal(left_N, before_N):
            break
    return left_N


def _first_direction(rows_NF: Rows) -> NDArray[np.float64]:
    """Point from the row least like the first, to the first: of labels, ordered by frequency, it is the best known."""
    first_F = rows_NF[[0]].toarray()[0]
    other = int(np.argmin(rows_NF @ first_F))
    return first_F - rows_NF[[other]].toarray()[0]


def _nearest(rows_NF: Rows, direction_F: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    order_N = np.argsort(-(rows_NF @ direction_F), kind="stable")
    chosen_N = np.zeros(len(order_N), dtype=np.bool_)
    chosen_N[order_N[:count]] = True
    return chosen_N


def _sum(rows_NF: Rows, chosen_N: NDArray[np.bool_]) -> NDArray[np.float64]:
    return chosen_N.astype(np.float64) @ rows_NF


def _direction(sum_F: NDArray[np.float64]) -> NDArray[np.float64]:
    # numpy's own sum: BLAS shares out a long one among threads, and the last digits differ.
    length = np.sqrt(np.square(sum_F).sum())
    return sum_F / length if length else sum_F
