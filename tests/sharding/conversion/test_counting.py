"""Adding up what workers have counted."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharding.conversion import counting

counted = st.lists(st.dictionaries(st.text("abc", min_size=1, max_size=2), st.integers(0, 9)), max_size=6)


@given(counted, st.integers(0, 5))
def test_counts_are_those_of_one_counter_however_often_they_are_folded(parts: list[dict[str, int]], worth: int) -> None:
    tables = [
        pa.table(
            {
                "name": pa.array(part.keys(), pa.string()),
                "count": pa.array(part.values(), pa.int64()),
                "aside": pa.array([0] * len(part), pa.int64()),
            }
        )
        for part in parts
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_ROWS_WORTH_ADDING", worth)
        total = counting._sum(tables)
    expected: Counter[str] = Counter()
    for part in parts:
        for name, count in part.items():
            expected[name] += count
    assert dict(zip(total["name"].to_pylist(), total["count"].to_pylist(), strict=True)) == expected
