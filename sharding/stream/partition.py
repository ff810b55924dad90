"""Partition of an epoch among ranks: which positions each rank reads at each step, and the state to resume from."""

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, StreamMismatchError
from .token_budget import Budget


@dataclass(frozen=True)
class StreamState:
    """How far training has come.

    Attributes:
        epoch: Number of the epoch, from 0 on.
        consumed: Positions of the epoch that were consumed by all ranks together.
    """

    epoch: int = 0
    consumed: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "StreamState":
        return cls(**value)


@dataclass(frozen=True)
class StreamGuards:
    """What must be equal before and after a resume for a state to mean the same records.

    Attributes:
        dataset_id: Identity of the data set, from its manifest.
        order_version: Version of the epoch's order.
        seed: Seed of the order.
        lanes: Lanes of the order.
        window: Window of the order, in records.
        split: The split that is read.
        budget: None where every step has equally many records.
    """

    dataset_id: str
    order_version: int
    seed: int
    lanes: int
    window: int
    split: str
    budget: Budget | None = None

    def check(self, saved: "StreamGuards") -> None:
        """Check that a state saved under `saved` can be resumed; StreamMismatchError names the first difference."""
        for name in (field.name for field in fields(self)):
            before, now = getattr(saved, name), getattr(self, name)
            if before != now:
                raise StreamMismatchError(
                    f"stream {name} = {now!r}: the saved state was made with {before!r}, and resuming would repeat and "
                    "miss records: restore the old value, or start from a fresh state"
                )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "StreamGuards":
        # What was saved before there were budgets was saved without one.
        budget = value.get("budget")
        return cls(**{**value, "budget": budget and Budget(**budget)})


def accumulation(share: int, most: int) -> int:
    """Count the fewest equal micro-batches of at most `most` records that a rank's share of a step can be cut into."""
    return next(parts for parts in range(1, share + 1) if share % parts == 0 and share // parts <= most)


@dataclass(frozen=True, kw_only=True)
class Partition:
    """One rank's share of every global batch.

    Attributes:
        num_records: Records of the split.
        global_batch: Records of a step, over all ranks.
        world_size: Ranks.
        rank: This rank.
        lanes: Lanes of the order.

    Raises:
        DataError: The ranks cannot share the batch evenly, or it exceeds the split.
    """

    num_records: int
    global_batch: int
    world_size: int
    rank: int
    lanes: int = 64

    def __post_init__(self) -> None:
        if self.global_batch % self.world_size:
            raise DataError(f"global batch {self.global_batch}: must be a multiple of the world size {self.world_size}")
        if self.global_batch > self.num_records:
            raise DataError(f"global batch {self.global_batch}: must not exceed the split's {self.num_records} records")

    def settle(self, state: StreamState) -> StreamState:
        """Roll over to the next epoch when less than a global batch is left; that tail is dropped."""
        return state if self._steps_left(state) > 0 else StreamState(state.epoch + 1)

    def steps_left(self, state: StreamState) -> int:
        """Count the steps from `state` to the end of its epoch; the same on every rank."""
        return self._steps_left(self.settle(state))

    def positions(self, state: StreamState) -> NDArray[np.int64]:
        """Take this rank's positions of the global batch that starts at a settled state."""
        batch = np.arange(state.consumed, state.consumed + self.global_batch)
        # Ordered by lane, a rank keeps to its own lanes and thus to its own shards, whatever the batch size.
        by_lane = batch[np.argsort(batch % self.lanes, kind="stable")]
        share = self.global_batch // self.world_size
        return by_lane[self.rank * share : (self.rank + 1) * share]

    def after(self, state: StreamState) -> StreamState:
        """Move a settled state past one global batch."""
        return self.settle(StreamState(state.epoch, state.consumed + self.global_batch))

    def _steps_left(self, state: StreamState) -> int:
        return (self.num_records - state.consumed) // self.global_batch
