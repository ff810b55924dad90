"""How a command that uses a trained run does so on several ranks: started by torchrun or deepspeed, they meet."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from trainer.distributed import ONE_RANK, Ranks, join, leave

from .environment import placement


@contextmanager
def met() -> Iterator[Ranks]:
    """Meet the other ranks, if the starter's environment says that there are any, and part when the block ends."""
    place = placement(os.environ)
    if place.world_size == 1:
        yield ONE_RANK
        return
    ranks = join(place.local_rank, place.on_node)
    try:
        yield ranks
    finally:
        leave()
