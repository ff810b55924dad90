"""Gather rows from several pieces laid end to end, with one call for each piece that is touched."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .lists import take_rows


def gather(
    take: Callable[[int, NDArray[np.int64]], pa.RecordBatch], lengths: Sequence[int], rows: NDArray[np.int64]
) -> pa.RecordBatch:
    """Collect at least one row, in the order asked for.

    Args:
        take: Returns rows of the piece with a number.
        lengths: Rows of each piece.
        rows: int64 [N], numbered through all pieces.

    Returns:
        A record batch of N rows.
    """
    ends = np.cumsum(lengths)
    owner = np.searchsorted(ends, rows, side="right")
    by_owner = np.argsort(owner, kind="stable")
    owners, first = np.unique(owner[by_owner], return_index=True)
    groups = np.split(rows[by_owner], first[1:])
    parts = [take(int(i), group - (ends[i] - lengths[i])) for i, group in zip(owners, groups, strict=True)]
    return take_rows(pa.concat_batches(parts), np.argsort(by_owner))
