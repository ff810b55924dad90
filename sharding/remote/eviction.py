"""LRU eviction from the cache: the least recently used files go first, and never one in use.

The order of records is known ahead, so a file could also be judged by its next use. That is not needed: training reads
each shard in one stretch an epoch, so what is left behind is next wanted an epoch later, and of those the one used
longest ago is as good a choice as any until the next epoch's order is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import CacheFullError


@dataclass(frozen=True)
class CachedFile:
    """A file of a cache.

    Attributes:
        name: File name in the folder of the cache.
        bytes: Size of the file.
        last_used: Time of the last use, by any clock.
        in_use: Whether any process of this machine uses it.
    """

    name: str
    bytes: int
    last_used: float
    in_use: bool


def to_evict(files: Sequence[CachedFile], needed: int, limit: int) -> list[CachedFile]:
    """Choose the least recently used files whose removal makes space for `needed` bytes, and no more of them.

    Args:
        files: All files of the cache.
        needed: Bytes of the new file.
        limit: Bytes of all files at most.

    Returns:
        The files to remove.

    Raises:
        CacheFullError: What is in use leaves too little; the error names the limit that would do.
    """
    in_use = sum(file.bytes for file in files if file.in_use)
    if in_use + needed > limit:
        raise CacheFullError(
            f"{in_use} of {limit} bytes are in use and {needed} more are needed: "
            f"the limit must be at least {in_use + needed} bytes"
        )
    excess = sum(file.bytes for file in files) + needed - limit
    chosen = []
    for file in sorted((file for file in files if not file.in_use), key=lambda file: file.last_used):
        if excess <= 0:
            break
        chosen.append(file)
        excess -= file.bytes
    return chosen
