"""The keyed permutation: a bijection that looks like chance."""

import hashlib
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from sharding.order.counter_based import hash64
from sharding.order.permutation import permute

# Keys are fixed, so these tests are not random; a fair shuffle passes this on both sides 499 times of 500.
UNLIKELY = 0.001


def looks_fair(counts: np.ndarray, degrees: int) -> bool:
    expected = counts.sum() / counts.size
    chance = float(chi2.sf(((counts - expected) ** 2 / expected).sum(), degrees))
    return UNLIKELY < chance < 1 - UNLIKELY


@given(st.integers(1, 3000), st.integers(0, 2**64 - 1))
def test_every_size_and_key_gives_a_bijection(size: int, key: int) -> None:
    image = permute(np.arange(size), size, np.uint64(key))
    np.testing.assert_array_equal(np.sort(image), np.arange(size))


def test_permutations_never_change() -> None:
    assert [permute(np.arange(size), size, 5).tolist() for size in (1, 2, 5, 9)] == [
        [0],
        [0, 1],
        [2, 3, 4, 1, 0],
        [1, 8, 2, 4, 6, 0, 5, 7, 3],
    ]
    image = permute(np.arange(1003), 1003, np.uint64(17)).astype("<i8")
    assert (
        hashlib.sha256(image.tobytes()).hexdigest()
        == "df4d7cb9cef4fec63e9cf994a37665fccc22db063db251104e20d27e67e5f601"
    )


@given(st.lists(st.tuples(st.integers(1, 100), st.integers(0, 9)), min_size=1))
def test_an_image_does_not_depend_on_what_else_is_asked(pairs: list[tuple[int, int]]) -> None:
    sizes, keys = np.array(pairs).T
    together = permute(sizes - 1, sizes, keys)
    assert together.tolist() == [permute(np.array([size - 1]), size, key)[0] for size, key in pairs]


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_all_permutations_of_a_small_range_are_equally_likely(size: int) -> None:
    keys = hash64(1, np.arange(20_000))
    images = permute(np.arange(size)[None, :], size, keys[:, None])
    _, counts = np.unique(images, axis=0, return_counts=True)
    assert len(counts) == factorial(size)
    assert looks_fair(counts, factorial(size) - 1)


@pytest.mark.parametrize("size", [7, 16, 64, 100])
def test_every_place_goes_everywhere_and_neighbours_part_evenly(size: int) -> None:
    keys = hash64(2, np.arange(10_000))
    images = permute(np.arange(size)[None, :], size, keys[:, None])
    places = np.stack([np.bincount(images[:, place], minlength=size) for place in range(size)])
    steps = np.bincount(((images[:, 1] - images[:, 0]) % size), minlength=size)[1:]
    assert looks_fair(places, (size - 1) ** 2)
    assert looks_fair(steps, size - 2)


@pytest.mark.parametrize("lag", [1, 2, 64, 316, 317])
def test_a_large_shuffle_has_no_serial_correlation(lag: int) -> None:
    size = 100_003
    image = permute(np.arange(size), size, 123)
    correlation = np.corrcoef(image[:-lag], image[lag:])[0, 1]
    assert abs(correlation) < 4 / np.sqrt(size)
