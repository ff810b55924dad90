"""The shuffled order of an epoch: a keyed permutation of shards, of lanes, and of records within windows.

The shards are permuted and laid end to end; the line is cut into `lanes` stretches that are read in turn, so that a
rank can stay within few shards; within a lane, windows of `window` records are permuted. Everything is a pure
function of (shard rows, seed, epoch, lanes, window) and takes O(number of shards) memory.
"""

from dataclasses import dataclass
from functools import cached_property
from statistics import median_low

import numpy as np
from numpy.typing import NDArray

from .counter_based import hash64
from .permutation import permute

# What a saved stream state relies on: any change of the order below, or of what it is built on, is a new version.
ORDER_VERSION = 1

# Purposes: the first part of a key keeps its random numbers apart from all others of a run.
_SHARDS, _WINDOWS = 32, 33


def default_window(shard_rows: tuple[int, ...]) -> int:
    """Shuffle over eight shards at a time, and never over more than 2^18 records."""
    return max(1, min(8 * median_low(shard_rows), 2**18))


@dataclass(frozen=True, kw_only=True)
class Order:
    """A bijection from the positions of an epoch to the rows of a split, numbered through in manifest order.

    Attributes:
        shard_rows: Records of each shard, in manifest order.
        seed: Seed of the run.
        epoch: Number of the epoch, from 0 on.
        lanes: Stretches of the line of shards that are read in turn.
        window: Records that are permuted together, within a lane.
    """

    shard_rows: tuple[int, ...]
    seed: int
    epoch: int
    lanes: int = 64
    window: int

    @classmethod
    def of_shards(
        cls, shard_rows: tuple[int, ...], *, seed: int, epoch: int = 0, lanes: int = 64, window: int | None = None
    ) -> "Order":
        """Take at most `lanes` lanes: shorter than a shard, they would only narrow the shuffle."""
        return cls(
            shard_rows=shard_rows,
            seed=seed,
            epoch=epoch,
            lanes=min(lanes, len(shard_rows)),
            window=window or default_window(shard_rows),
        )

    def rows(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Map positions in [0, number of records) to row numbers, same shape."""
        return self._rows_of_line(self._line_of_positions(positions))

    def _line_of_positions(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        shortest, longer_lanes = divmod(sum(self.shard_rows), self.lanes)
        lane, step = positions % self.lanes, positions // self.lanes
        lane_start = lane * shortest + np.minimum(lane, longer_lanes)
        lane_rows = shortest + (lane < longer_lanes)
        window = step // self.window
        window_start = window * self.window
        window_rows = np.minimum(self.window, lane_rows - window_start)
        key = hash64(_WINDOWS, self.seed, self.epoch, lane, window)
        return lane_start + window_start + permute(step - window_start, window_rows, key)

    def _rows_of_line(self, line: NDArray[np.int64]) -> NDArray[np.int64]:
        ends, shift = self._shards
        shard = np.searchsorted(ends, line, side="right")
        return line + shift[shard]

    @cached_property
    def _shards(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For each shard in visiting order: where it ends on the line, and what turns its line places into rows."""
        rows: NDArray[np.int64] = np.array(self.shard_rows, dtype=np.int64)
        visits = permute(np.arange(len(rows)), len(rows), hash64(_SHARDS, self.seed, self.epoch))
        starts = np.cumsum(rows) - rows
        ends = np.cumsum(rows[visits])
        return ends, starts[visits] - (ends - rows[visits])
