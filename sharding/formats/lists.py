"""Fast row selection for Arrow list columns: lists are viewed as byte strings, which Arrow copies whole.

It copies lists number by number, at several times the price.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def take_rows(rows: pa.RecordBatch, chosen: NDArray[np.int64]) -> pa.RecordBatch:
    """Copy out rows, in the order asked for."""
    return as_lists(as_bytes(rows).take(pa.array(chosen)), rows.schema)


def as_bytes(rows: pa.RecordBatch) -> pa.RecordBatch:
    """See lists of numbers as the bytes of these, without copying them; all other columns, and nulls, stay."""
    columns = [_as_bytes(column) if _is_flat(column) else column for column in rows.columns]
    return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)


def as_lists(rows: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Undo `as_bytes`, of rows that had this schema."""
    pairs = zip(rows.columns, schema.types, strict=True)
    columns = [column if column.type == kind else _as_lists(column, kind) for column, kind in pairs]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _is_flat(column: pa.Array) -> bool:
    if not pa.types.is_list(column.type) or not pa.types.is_integer(column.type.value_type):
        return False
    return not column.null_count and not column.values.null_count


def _as_bytes(column: pa.ListArray) -> pa.Array:
    numbers = column.values
    width = numbers.type.bit_width // 8
    ends = (column.offsets.to_numpy().astype(np.int64) + numbers.offset) * width
    buffers = [None, pa.py_buffer(ends), numbers.buffers()[1] or pa.py_buffer(b"")]  # no numbers, no buffer
    return pa.Array.from_buffers(pa.large_binary(), len(column), buffers)


def _as_lists(column: pa.Array, kind: pa.ListType) -> pa.Array:
    _, ends, numbers = column.buffers()
    starts = np.frombuffer(ends, np.int64, len(column) + 1, column.offset * 8) // (kind.value_type.bit_width // 8)
    items = pa.Array.from_buffers(kind.value_type, int(starts[-1]), [None, numbers])
    return pa.Array.from_buffers(kind, len(column), [None, pa.py_buffer(starts.astype(np.int32))], children=[items])


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
