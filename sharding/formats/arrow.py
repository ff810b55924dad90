"""The Arrow shard format: an uncompressed IPC file of one record batch, read by memory map.

One batch, because rows are then taken in one call from memory that is the mapped file itself; a batch per 1,024 rows
costs a call each. Uncompressed for the same reason. The bytes depend on the rows alone.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import CorruptShardError
from .lists import as_bytes, as_lists
from .shard import map_file


def write_shard(path: Path, rows: pa.RecordBatch) -> None:
    """Write the rows of one shard."""
    with pa.OSFile(str(path), "wb") as sink:
        _write(sink, rows)


def encode_arrow(rows: pa.RecordBatch) -> pa.Buffer:
    """Make the bytes that `write_shard` writes."""
    sink = pa.BufferOutputStream()
    _write(sink, rows)
    return sink.getvalue()


class ArrowShard:
    """A memory-mapped shard; reading touches only the pages of the rows that are asked for."""

    def __init__(self, rows: pa.RecordBatch) -> None:
        self.rows = rows
        self.num_rows = rows.num_rows
        self._bytes = as_bytes(rows)

    @classmethod
    def open(cls, path: Path) -> "ArrowShard":
        """Map a shard; CorruptShardError when it is not a whole and sound Arrow file of one record batch."""
        try:
            file = pa.ipc.open_file(map_file(path))
            if file.num_record_batches != 1:
                raise CorruptShardError(f"shard {path}: holds {file.num_record_batches} record batches: must hold one")
            rows = file.get_batch(0)
            _check_offsets(rows)
            return cls(rows)
        except (OSError, pa.ArrowException) as error:
            raise CorruptShardError(f"shard {path}: cannot be read as an Arrow file: {error}") from error

    def take(self, rows: NDArray[np.int64], columns: Sequence[str]) -> pa.RecordBatch:
        """Copy out rows, in the order asked for."""
        schema = pa.schema([self.rows.schema.field(name) for name in columns])
        return as_lists(self._bytes.select(columns).take(pa.array(rows)), schema)


def _check_offsets(rows: pa.RecordBatch) -> None:
    """Raise an ArrowInvalid when a list or a text is not inside its column: reading there would end the process.

    Takes a few nanoseconds a row; what the texts hold is not looked at.
    """
    for column in rows.columns:
        (column.view(pa.binary()) if pa.types.is_string(column.type) else column).validate(full=True)


def _write(sink: pa.NativeFile, rows: pa.RecordBatch) -> None:
    with pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_batch(rows)
