"""The prefetch window: from when a node requests a remote shard until it may release it.

Measured in positions of the order, all ranks' and all epochs' behind each other. Streams keep to it, and a simulation
counts by it, so that a cache that was called large enough is.
"""

from dataclasses import dataclass

# Steps for which shards are fetched before they are taken.
AHEAD = 64
# Ranks have hundreds of shards in their windows, and come to each again and again: with 64 lanes of nine shards, every
# 600 positions. What was not wanted for so many has been passed, or has but a few records in its window.
_KEPT = 8192
# A call for many records costs little more than one for few: of the order, and of every shard that is touched.
_RECORDS_AT_ONCE = 8192


@dataclass(frozen=True)
class PrefetchWindow:
    """How long a node may keep a shard, in positions of the order.

    Attributes:
        ahead: Positions before the first use of the shard.
        behind: Positions after its last use.
    """

    ahead: int
    behind: int

    @classmethod
    def of_batches(cls, global_batch: int, world_size: int) -> "PrefetchWindow":
        """Compute the window for batches of records; one rank may lag another by as much as is read at once."""
        at_once = steps_at_once(global_batch, world_size) * global_batch
        return cls(AHEAD * global_batch + at_once, kept(at_once) + at_once)

    @classmethod
    def of_pools(cls, pool: int) -> "PrefetchWindow":
        """Compute the window for pools of a token budget: while one is read, the next is prefetched."""
        return cls(2 * pool, kept(pool) + 2 * pool)


def kept(at_once: int) -> int:
    """Return for how many positions an unused shard is kept by a reader that reads `at_once` positions together."""
    return max(_KEPT, at_once)


def steps_at_once(global_batch: int, world_size: int) -> int:
    """Count the steps that a rank reads together."""
    return min(max(1, _RECORDS_AT_ONCE * world_size // global_batch), AHEAD)
