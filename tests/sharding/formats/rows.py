"""Records as shards hold them."""

from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from sharding.formats import encode_arrow
from sharding.records import shard_schema

WIDTHS = {16: 1 << 16, 32: 1 << 32}  # bits of a token id, and how many ids they are for

RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.text(max_size=8),
            "text": st.text(max_size=40),
            "labels": st.lists(st.integers(0, 2**32 - 1), max_size=5),
            "tokens": st.lists(st.integers(0, 2**16 - 1), max_size=300),
        }
    ),
    min_size=1,
    max_size=8,
)


def batch(records: list[dict[str, Any]], bits: int = 16) -> pa.RecordBatch:
    """Lay out records under the schema of a shard."""
    return pa.RecordBatch.from_pylist(records, shard_schema(WIDTHS[bits]))


def with_buffer(rows: pa.RecordBatch, column: str, buffer: int, place: int, content: bytes) -> bytes:
    """Make the file of a shard, and write over one buffer of a column from a place on."""
    file = bytearray(encode_arrow(rows).to_pybytes())
    column_buffer = pa.ipc.open_file(pa.py_buffer(file)).get_batch(0)[column].buffers()[buffer]
    assert column_buffer is not None
    start = column_buffer.address - pa.py_buffer(file).address + place
    file[start : start + len(content)] = content
    return bytes(file)


FEW = batch(
    [
        {"id": "a", "text": "one", "labels": [7], "tokens": [5, 6, 7]},
        {"id": "b", "text": "", "labels": [], "tokens": []},
        {"id": "ç", "text": "drei ¾ \0", "labels": [1, 2**32 - 1], "tokens": [65_535] * 300},
    ]
)
