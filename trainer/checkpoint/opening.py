"""Where the checkpoints of a run are: in its folder."""

from ..config import CheckpointSection, Config
from ..distributed import ONE_RANK, Ranks
from ..run_folder import RunFolder
from .folder import CheckpointFolder
from .store import CheckpointStore


def checkpoints_of(run: RunFolder, config: Config | None = None, ranks: Ranks = ONE_RANK) -> CheckpointStore:
    """Open the checkpoints of a run. config: None for the one in its folder, if it has begun."""
    if config is None and run.has_begun:
        config = run.config()
    settings = config.checkpoint if config else CheckpointSection()
    return CheckpointStore(CheckpointFolder(run.checkpoints), ranks, settings.keep, settings.keep_every)
