"""Rows whose lists are taken as bytes are the rows that Arrow itself takes."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharding.formats.lists import as_bytes, as_lists, take_rows
from sharding.records import shard_schema

RECORD = st.fixed_dictionaries(
    {
        "id": st.text(max_size=3),
        "text": st.text(max_size=3),
        "labels": st.lists(st.integers(0, 2**32 - 1), max_size=4) | st.none(),
        "tokens": st.lists(st.integers(0, 2**16 - 1), max_size=4),
    }
)


@pytest.mark.parametrize("vocabulary", [1 << 16, 1 << 20])
@given(st.lists(RECORD, min_size=1, max_size=6), st.data())
def test_rows_are_those_that_arrow_takes(vocabulary: int, records: list, data: st.DataObject) -> None:
    rows = pa.RecordBatch.from_pylist(records, shard_schema(vocabulary))
    rows = rows.slice(data.draw(st.integers(0, len(records) - 1)))
    chosen = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8)), dtype=np.int64)
    taken = take_rows(rows, chosen)
    taken.validate(full=True)
    assert taken.equals(rows.take(pa.array(chosen)))


def test_lists_without_a_number_have_no_bytes() -> None:
    rows = pa.RecordBatch.from_pylist([{"id": "", "text": "", "labels": [], "tokens": []}] * 2, shard_schema(1 << 16))
    nothing = pa.Array.from_buffers(pa.uint32(), 0, [None, None])
    labels = rows["labels"]
    bare = pa.ListArray.from_buffers(labels.type, 2, [None, labels.buffers()[1]], children=[nothing])
    rows = rows.set_column(2, rows.schema.field("labels"), bare)
    assert take_rows(rows, np.array([1, 0, 1]))["labels"].to_pylist() == [[], [], []]


def test_numbers_are_not_copied_to_be_seen_as_bytes() -> None:
    rows = pa.RecordBatch.from_pylist([{"id": "", "text": "", "labels": [1], "tokens": [2, 3]}], shard_schema(1 << 16))
    seen = as_bytes(rows)
    assert seen["tokens"].buffers()[2].address == rows["tokens"].values.buffers()[1].address
    assert as_lists(seen, rows.schema).equals(rows)
