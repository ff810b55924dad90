"""The process group of a command that torchrun, deepspeed or srun started on several ranks; some commands have none."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from trainer.distributed import ONE_RANK, Ranks, abort, join, leave, naming_lost_peers
from trainer.errors import ConfigError

from ..cluster import placement
from ..supervise.signals import ended_by_sigterm


@contextmanager
def process_group() -> Iterator[Ranks]:
    """Join the process group, if the environment says that there are other ranks, and leave it when the block ends.

    SIGTERM ends the block. Raises PeerLostError when another rank has ended before.
    """
    place = placement(os.environ)
    with ended_by_sigterm(), naming_lost_peers():
        if place.world_size == 1:
            yield ONE_RANK
            return
        os.environ.update(place.variables())
        ranks = join(place.local_rank, place.on_node)
        try:
            yield ranks
        except BaseException:
            abort()  # to leave would wait for ranks that wait for this one
            raise
        leave()


def check_alone(command: str) -> None:
    """Refuse to be one of several: each would write the same files. ConfigError."""
    if (ranks := placement(os.environ).world_size) > 1:
        raise ConfigError(
            f"lmmtc {command}: was started on {ranks} ranks (WORLD_SIZE), and each would write the same files: "
            "start it as one process, without torchrun, deepspeed or srun"
        )
