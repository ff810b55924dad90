"""Rows out of pieces."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sharding.formats.lists import gather


@given(st.lists(st.integers(0, 4), min_size=1).filter(any), st.data())
def test_gathered_rows_are_those_of_the_joined_pieces(lengths: list[int], data: st.DataObject) -> None:
    total = sum(lengths)
    rows = np.array(data.draw(st.lists(st.integers(0, total - 1), min_size=1)))
    ends = np.cumsum(lengths)
    pieces = [
        pa.record_batch({"row": pa.array(np.arange(end - length, end))})
        for end, length in zip(ends, lengths, strict=True)
    ]
    gathered = gather(lambda i, at: pieces[i].take(pa.array(at)), lengths, rows)
    assert gathered["row"].to_pylist() == rows.tolist()
