"""The order of an epoch."""

import hashlib
import tracemalloc
from statistics import median_low

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sharding import Order
from sharding.order.epoch import default_window

SHARDS = st.lists(st.integers(0, 50), min_size=1, max_size=8).map(tuple)


@given(SHARDS, st.integers(0, 2**32), st.integers(0, 3), st.integers(1, 70), st.integers(1, 60))
def test_an_epoch_visits_every_row_once(
    shard_rows: tuple[int, ...], seed: int, epoch: int, lanes: int, window: int
) -> None:
    order = Order(shard_rows=shard_rows, seed=seed, epoch=epoch, lanes=lanes, window=window)
    rows = order.rows(np.arange(sum(shard_rows)))
    np.testing.assert_array_equal(np.sort(rows), np.arange(sum(shard_rows)))


@given(SHARDS.filter(any), st.integers(1, 9), st.integers(1, 60), st.data())
def test_a_position_means_the_same_row_whoever_asks(
    shard_rows: tuple[int, ...], lanes: int, window: int, data: st.DataObject
) -> None:
    order = Order(shard_rows=shard_rows, seed=1, epoch=0, lanes=lanes, window=window)
    whole = order.rows(np.arange(sum(shard_rows)))
    asked = np.array(data.draw(st.lists(st.integers(0, sum(shard_rows) - 1), min_size=1)))
    np.testing.assert_array_equal(order.rows(asked), whole[asked])


def test_the_order_never_changes() -> None:
    order = Order(shard_rows=(1000, 1, 0, 700, 1000), seed=17, epoch=2, lanes=4, window=300)
    rows = order.rows(np.arange(2701)).astype("<i8")
    assert rows[:6].tolist() == [163, 690, 1517, 2291, 284, 953]
    assert (
        hashlib.sha256(rows.tobytes()).hexdigest() == "e4b281ef6305451301a3750f99c44299a323c9a634e542f094badb357dbd1b1f"
    )


def test_seeds_and_epochs_give_different_orders() -> None:
    positions = np.arange(1000)
    orders = [
        Order(shard_rows=(100,) * 10, seed=seed, epoch=epoch, lanes=4, window=200).rows(positions).tolist()
        for seed in (0, 1)
        for epoch in (0, 1)
    ]
    assert len({tuple(order) for order in orders}) == 4


def test_a_lane_reads_its_stretch_of_shards_window_by_window() -> None:
    shard_rows = (50,) * 8
    order = Order(shard_rows=shard_rows, seed=3, epoch=0, lanes=4, window=50)
    by_lane = order.rows(np.arange(400)).reshape(100, 4).T
    windows = by_lane.reshape(8, 50) // 50
    assert all(len(set(window)) == 1 for window in windows.tolist())
    assert sorted(windows[:, 0].tolist()) == list(range(8))


def test_one_lane_with_a_window_over_everything_leaves_no_serial_correlation() -> None:
    size = 60_000
    order = Order(shard_rows=(20_000,) * 3, seed=5, epoch=1, lanes=1, window=size)
    rows = order.rows(np.arange(size))
    assert abs(np.corrcoef(rows[:-1], rows[1:])[0, 1]) < 4 / np.sqrt(size)
    assert abs(np.corrcoef(np.arange(size), rows)[0, 1]) < 4 / np.sqrt(size)


def test_ten_billion_records_take_no_memory() -> None:
    shard_rows = (10_000_000,) * 1000
    tracemalloc.start()
    Order(shard_rows=shard_rows, seed=0, epoch=0, window=2**18).rows(np.arange(7 * 10**9, 7 * 10**9 + 256))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


@given(st.lists(st.integers(0, 100_000), min_size=1))
def test_the_default_window_is_eight_shards_within_bounds(shard_rows: list[int]) -> None:
    window = default_window(tuple(shard_rows))
    assert window == min(max(8 * median_low(shard_rows), 1), 262_144)
