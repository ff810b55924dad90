"""Keyed random numbers against a plain-integer statement of the same formula, and against chance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from sharding import hash64, uniform

WORD = (1 << 64) - 1


def plain_hash(*parts: int) -> int:
    state = len(parts)
    for part in parts:
        state = ((state ^ (part & WORD)) + 0x9E3779B97F4A7C15) & WORD
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & WORD
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & WORD
        state ^= state >> 31
    return state


@given(st.lists(st.integers(-(2**63), 2**64 - 1), max_size=5))
def test_a_hash_is_the_folded_splitmix64_finaliser(parts: list[int]) -> None:
    assert int(hash64(*parts)) == plain_hash(*parts)


def test_hashes_never_change() -> None:
    assert [int(hash64(0)), int(hash64(1, 2, 3))] == [0x910A2DEC89025CC1, 0x01072DECA7455826]
    assert float(uniform(7, 11)) == 0.14533612540553342


def test_arrays_broadcast_and_hash_each_element_by_itself() -> None:
    rows, columns = np.array([[3], [-4]]), np.array([5, 6, 7], dtype=np.uint16)
    expected = [[plain_hash(1, int(row), int(column)) for column in columns] for row in rows[:, 0]]
    np.testing.assert_array_equal(hash64(1, rows, columns), np.array(expected, dtype=np.uint64))


@pytest.mark.parametrize("key", [(), (0,), (0, 0)])
def test_a_key_differs_from_its_own_extension(key: tuple[int, ...]) -> None:
    assert hash64(*key) != hash64(*key, 0)


def test_uniform_numbers_fill_the_unit_interval_evenly_and_independently_of_their_neighbours() -> None:
    numbers = uniform(1, np.arange(200_000))
    assert 0 <= numbers.min() < numbers.max() < 1
    pairs, _, _ = np.histogram2d(numbers[:-1], numbers[1:], bins=20, range=[[0, 1], [0, 1]])
    expected = pairs.sum() / pairs.size
    # A fixed key, so the test is not random; 0.001 on both sides is what a fair source passes.
    assert 0.001 < chi2.sf(((pairs - expected) ** 2 / expected).sum(), pairs.size - 1) < 0.999
