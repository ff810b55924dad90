"""The permutation and the order built on it, held against chance.

Keys are fixed, so nothing here is random from run to run. Fewer than a hundred p-values are looked at in this file;
each must be above LEAST, so by Bonferroni all would be in at least 99 of 100 files with other keys, were the order
true chance.
"""

from collections.abc import Iterator
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from sharding import Order, hash64
from sharding.order.permutation import permute

LEAST = 0.01 / 100

Rows = NDArray[np.int64]


def of_counts(counts: NDArray[np.integer], degrees: int, scale: float = 1.0) -> float:
    """Give the p-value of equal expectations, both sides: too even is no chance either."""
    expected = counts.sum() / counts.size
    upper = float(chi2.sf(scale * ((counts - expected) ** 2 / expected).sum(), degrees))
    return 2 * min(upper, 1 - upper)


def of_pairs(one: Rows, other: Rows, values: int, *, distinct: bool = False) -> float:
    """Give the p-value of all pairs of values in [0, values) being equally likely; distinct: pairs of unlike values."""
    table = np.bincount(one * values + other, minlength=values**2).reshape(values, values)
    counts = table[~np.eye(values, dtype=bool)] if distinct else table
    assert counts.sum() == len(one)
    return of_counts(counts, counts.size - 1)


def of_correlation(one: Rows, other: Rows) -> float:
    """Give the p-value of no correlation: between random permutations it is normal with variance 1 / n."""
    return float(2 * norm.sf(abs(np.corrcoef(one, other)[0, 1]) * np.sqrt(len(one))))


def permutation_p_values(size: int) -> Iterator[float]:
    """Look at places, and at what becomes of neighbours and of places that share a digit of the Feistel network."""
    images = permute(np.arange(size)[None, :], size, hash64(3, np.arange(10_000))[:, None])
    places = np.stack([np.bincount(images[:, place], minlength=size) for place in range(size)])
    # Rows and columns of the table both have fixed sums, which leaves (n-1)^2 directions, each n/(n-1) too long.
    yield of_counts(places, (size - 1) ** 2, scale=(size - 1) / size)
    for lag in (1, -(-size // int(np.ceil(np.sqrt(size))))):
        for place in (0, size // 2 - lag):
            steps = (images[:, place + lag] - images[:, place]) % size
            yield of_counts(np.bincount(steps, minlength=size)[1:], size - 2)


@pytest.mark.parametrize("size", [16, 50, 100])
def test_a_permutation_sends_places_and_neighbours_everywhere(size: int) -> None:
    assert min(permutation_p_values(size)) > LEAST


@pytest.mark.parametrize("size", [16, 50, 100])
def test_two_feistel_rounds_would_be_found_out(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharding.order.permutation._ROUNDS", 2)
    assert min(permutation_p_values(size)) < LEAST


def large_permutation_p_values() -> Iterator[float]:
    size = 100_003
    images = permute(np.arange(size)[None, :], size, hash64(4, np.arange(3))[:, None])
    for image in images:
        yield of_correlation(np.arange(size), image)
        for lag in (1, 2, 64, 316):  # 316: the digit base of the network
            yield of_correlation(image[:-lag], image[lag:])
    for one, other in combinations(images, 2):
        yield of_correlation(one, other)


def test_large_permutations_correlate_neither_with_themselves_nor_with_each_other() -> None:
    assert min(large_permutation_p_values()) > LEAST


def test_two_feistel_rounds_would_correlate_at_their_digit_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharding.order.permutation._ROUNDS", 2)
    assert min(large_permutation_p_values()) < LEAST


# Eight shards of ten rows; each of four lanes has two of them, a window each: then a position's shard is a fair draw
# of 8 and its place in the shard one of 10, whichever shards there are.
NUM_SHARDS, SHARD, LANES = 8, 10, 4
NUM_SEEDS = 3000


@cache
def orders(epoch: int) -> Rows:
    """Give the rows of an epoch, a line for each of the seeds 0, 1, 2, ...: [seeds, positions]."""
    size = NUM_SHARDS * SHARD
    shape = {"shard_rows": (SHARD,) * NUM_SHARDS, "lanes": LANES, "window": SHARD}
    return np.stack([Order(**shape, seed=seed, epoch=epoch).rows(np.arange(size)) for seed in range(NUM_SEEDS)])


def test_a_position_gets_every_row_equally_often() -> None:
    rows = orders(0)
    counts = [np.bincount(rows[:, position], minlength=rows.shape[1]) for position in (0, 17, 42, 79)]
    assert min(of_counts(each, len(each) - 1) for each in counts) > LEAST


def test_neighbours_in_an_order_are_as_independent_as_distinct_rows_can_be() -> None:
    shards, places = np.divmod(orders(0), SHARD)
    p_values = [
        of_pairs(shards[:, 0], shards[:, 1], NUM_SHARDS, distinct=True),  # of two lanes
        of_pairs(places[:, 0], places[:, 1], SHARD),
        of_pairs(shards[:, 0], shards[:, LANES * SHARD], NUM_SHARDS, distinct=True),  # of two windows of a lane
        of_pairs(places[:, 0], places[:, LANES * SHARD], SHARD),
        of_pairs(places[:, 0], places[:, LANES], SHARD, distinct=True),  # within a window
        of_pairs(places[:, 5], places[:, 5 + LANES * 3], SHARD, distinct=True),
    ]
    assert min(p_values) > LEAST


def between_orders_p_values(one: Rows, other: Rows) -> Iterator[float]:
    """Look at what two orders do with the same position."""
    for position in (0, 33, 79):
        shards, places = (
            np.stack(parts)
            for parts in zip(*(np.divmod(rows[:, position], SHARD) for rows in (one, other)), strict=True)
        )
        yield of_pairs(*shards, NUM_SHARDS)
        yield of_pairs(*places, SHARD)


@pytest.mark.nightly
def test_orders_of_successive_epochs_are_independent() -> None:
    assert min(between_orders_p_values(orders(0), orders(1))) > LEAST


def test_orders_of_successive_seeds_are_independent() -> None:
    assert min(between_orders_p_values(orders(0)[::2], orders(0)[1::2])) > LEAST


def test_a_seed_does_not_make_of_its_next_epoch_what_the_next_seed_makes_now() -> None:
    assert min(between_orders_p_values(orders(0)[1:], orders(1)[:-1])) > LEAST


def test_an_order_that_forgot_its_epoch_would_be_found_out() -> None:
    assert max(between_orders_p_values(orders(0), orders(0))) < LEAST


def long_order(seed: int, epoch: int) -> Order:
    return Order(shard_rows=(5000,) * 12, seed=seed, epoch=epoch, lanes=8, window=2500)


def test_a_window_has_no_serial_correlation() -> None:
    order = long_order(7, 0)
    windows = order.rows(np.arange(8 * 2500)).reshape(2500, 8).T
    p_values = [of_correlation(rows[:-lag], rows[lag:]) for rows in windows[:4] for lag in (1, 2, 50)]
    assert min(p_values) > LEAST


def test_windows_of_lanes_seeds_and_epochs_do_not_correlate() -> None:
    kinds = [long_order(7, 0), long_order(8, 0), long_order(7, 1)]
    in_shards = [order.rows(np.arange(8 * 2500)).reshape(2500, 8).T % 2500 for order in kinds]
    pairs = [*combinations(in_shards[0][:4], 2), *combinations([rows[0] for rows in in_shards], 2)]
    assert min(of_correlation(one, other) for one, other in pairs) > LEAST
