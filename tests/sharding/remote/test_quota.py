"""Which files make room for a new one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharding import DataError
from sharding.remote.cache import CachedFile, to_evict

files_of_a_cache = st.lists(
    st.builds(CachedFile, st.uuids().map(str), st.integers(0, 100), st.floats(0, 1000), st.booleans()),
    unique_by=lambda file: file.name,
)


def total(files: list[CachedFile]) -> int:
    return sum(file.bytes for file in files)


def least_limit(files: list[CachedFile], needed: int) -> int:
    return total([file for file in files if file.in_use]) + needed


@given(files=files_of_a_cache, needed=st.integers(0, 200), spare=st.integers(0, 2000))
def test_what_stays_fits_and_what_is_in_use_stays(files: list[CachedFile], needed: int, spare: int) -> None:
    limit = least_limit(files, needed) + spare
    evicted = to_evict(files, needed, limit)
    kept = [file for file in files if file not in evicted]
    assert total(kept) + needed <= limit
    assert all(file in kept for file in files if file.in_use)


@given(files=files_of_a_cache, needed=st.integers(0, 200), spare=st.integers(0, 2000))
def test_what_was_used_longest_ago_goes_first_and_no_file_goes_in_vain(
    files: list[CachedFile], needed: int, spare: int
) -> None:
    limit = least_limit(files, needed) + spare
    evicted = to_evict(files, needed, limit)
    spared = [file for file in files if not file.in_use and file not in evicted]
    assert all(gone.last_used <= file.last_used for gone in evicted for file in spared)
    if evicted:
        assert total(files) - total(evicted[:-1]) + needed > limit


@given(files=files_of_a_cache, needed=st.integers(1, 200), missing=st.integers(1, 2000))
def test_too_small_a_limit_is_answered_with_the_smallest_that_will_do(
    files: list[CachedFile], needed: int, missing: int
) -> None:
    enough = least_limit(files, needed)
    limit = max(0, enough - missing)
    with pytest.raises(
        DataError, match=f"{enough - needed} of {limit} bytes are in use and {needed} more .* {enough} "
    ):
        to_evict(files, needed, limit)
    to_evict(files, needed, enough)
