"""Where sorted runs are cut."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharding import DataError, SourceSettings
from sharding.conversion import shuffling
from sharding.conversion.encoding import KEY
from sharding.conversion.job import Job
from sharding.conversion.shuffling import END, cut_points
from sharding.sources.fields import FieldReader
from sharding.sources.jsonl import JsonLines

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


def test_texts_that_no_shard_can_hold_are_refused_with_the_option_that_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts of zeros that nobody writes, so that they take no memory."""
    texts = pa.StringArray.from_buffers(
        1, pa.py_buffer(np.array([0, 1 << 30], np.int32)), pa.py_buffer(np.zeros(1 << 30, np.uint8))
    )
    run = pa.record_batch({"text": texts, KEY: pa.array([7], pa.uint64())})
    monkeypatch.setattr(shuffling, "_runs", lambda *_: iter([run, run]))
    settings = SourceSettings()
    job = Job(JsonLines((), settings, FieldReader(settings)), tmp_path, tmp_path, ("arrow",), "raise", False, 512, 0, 1)
    with pytest.raises(DataError, match=r"shard train/00003: its 2 records have more than 2 GiB .*: .* --shard-rows"):
        shuffling.write_one(job, "train", 3, 0, END)
