"""Where sorted runs are cut."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sharding.conversion.shuffling import END, cut_points

keys = st.lists(st.lists(st.integers(0, END - 1), max_size=30).map(sorted), min_size=1, max_size=5)


@given(keys, st.integers(1, 20))
def test_all_stretches_but_the_last_have_as_many_keys_as_asked_for(runs: list[list[int]], rows: int) -> None:
    everything = sorted({key for run in runs for key in run})
    parts = [
        np.array([key for key in everything if key % len(runs) == number], np.uint64) for number in range(len(runs))
    ]
    cuts = cut_points(parts, np.arange(rows, len(everything), rows)).tolist()
    stretches = [[key for key in everything if low <= key < high] for low, high in pairwise([0, *cuts, END])]
    assert [len(stretch) for stretch in stretches[:-1]] == [rows] * (len(stretches) - 1)
    assert len(stretches[-1]) <= rows
    assert [key for stretch in stretches for key in stretch] == everything


@given(keys, st.lists(st.integers(1, 40), max_size=5))
def test_a_cut_is_the_least_number_with_enough_keys_below(runs: list[list[int]], ranks: list[int]) -> None:
    everything = [key for run in runs for key in run]
    ranks = [rank for rank in ranks if rank <= len(everything)]
    cuts = cut_points([np.array(run, np.uint64) for run in runs], np.array(ranks, np.int64)).tolist()
    for rank, cut in zip(ranks, cuts, strict=True):
        assert sum(key < cut for key in everything) >= rank
        assert sum(key < cut - 1 for key in everything) < rank
