"""Open the checkpoint store of a run: in its folder, or in a bucket."""

from sharding.remote import open_bucket

from ..config import CheckpointSection, Config
from ..distributed import ONE_RANK, Ranks
from ..run.folder import RunFolder
from .bucket import CheckpointBucket
from .folder import CheckpointFolder
from .store import CheckpointStore


def checkpoints_of(run: RunFolder, config: Config | None = None, ranks: Ranks = ONE_RANK) -> CheckpointStore:
    """Open the checkpoint store of a run.

    Args:
        run: Folder of the run.
        config: Settings of the run; None: those in its folder, if it has begun.
        ranks: Who saves and loads.
    """
    if config is None and run.has_begun:
        config = run.config()
    settings = config.checkpoint if config else CheckpointSection()
    place = (
        CheckpointFolder(run.checkpoints) if settings.store is None else CheckpointBucket(open_bucket(settings.store))
    )
    return CheckpointStore(place, ranks, settings.keep, settings.keep_every)
