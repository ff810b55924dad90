"""How much a node keeps at once, where shards are read one after the other."""

import numpy as np
import pytest
from numpy.typing import NDArray

from sharding import Order
from sharding.stream.prefetch_window import PrefetchWindow
from sharding.stream.reading import Reading, follow

SHARDS, ROWS, STEP = 10, 10, 5
ORDER = Order.of_shards((ROWS,) * SHARDS, seed=0, lanes=1, window=1)


def one_by_one(reach: PrefetchWindow, shard_bytes: NDArray[np.int64]) -> Reading:
    """Follow one node in steps of half a shard."""
    steps = ([[np.arange(start, start + STEP)]] for start in range(0, SHARDS * ROWS, STEP))
    return follow(steps, 1, ORDER, shard_bytes, np.ones_like, reach)


@pytest.mark.parametrize(
    ("ahead", "behind", "kept"), [(0, 0, 1), (4, 0, 1), (5, 0, 2), (0, 5, 2), (9, 9, 3), (60, 0, 7), (10**6, 0, SHARDS)]
)
def test_what_is_kept_grows_with_the_reach_until_it_is_all(ahead: int, behind: int, kept: int) -> None:
    reading = one_by_one(PrefetchWindow(ahead, behind), np.full(SHARDS, 7))
    assert (reading.open_shards, reading.cache_bytes, reading.num_steps) == (kept, 7 * kept, 20)


def test_the_next_epoch_begins_while_the_last_shard_of_this_one_is_kept() -> None:
    first, last = ORDER.rows(np.array([0, SHARDS * ROWS - 1])) // ROWS
    shard_bytes = np.ones(SHARDS, dtype=np.int64)
    shard_bytes[[first, last]] = 100, 1000
    assert one_by_one(PrefetchWindow(0, 0), shard_bytes).cache_bytes == 1000
    assert one_by_one(PrefetchWindow(ROWS, 0), shard_bytes).cache_bytes == 1100
