"""Resumption of a run from its newest checkpoint; one that belongs to other settings or records is refused."""

from pathlib import Path

from sharding import DataError, Dataset, StepStream, StreamMismatchError

from ..checkpoint import CheckpointMeta, RunState, load_state
from ..config import Config, check_config
from ..errors import ConfigError
from ..run.folder import RunFolder
from .loop import Position

MAY_CHANGE = {  # on resume; all other keys decide what the numbers are
    "run.folder",
    "run.threads",
    "run.stall_seconds",
    "run.record_log",
    "data.dataset",
    "data.format",
    "data.cache",
    "data.cache_gib",
    "model.encoder",
    "train.micro_batch",  # with train.micro_tokens it makes other steps, and the stream's guards refuse it
    "train.zero_stage",
    "train.deterministic",
    "train.nonfinite_limit",
    "cloze.driver",
    "labels.placement",
    "labels.text_cache",
}
MAY_CHANGE_SECTIONS = ("checkpoint", "evaluation", "telemetry")


def resume(folder: Path, state: RunState, config: Config, stream: StepStream) -> Position:
    """Load a checkpoint. A collective.

    Args:
        folder: The checkpoint.
        state: What is loaded into.
        config: Settings of the run as it is started now.
        stream: The records that it will read.

    Returns:
        Where the checkpoint ends.

    Raises:
        ConfigError: It was saved with other settings; nothing is loaded.
        StreamMismatchError: It belongs to other records; nothing is loaded.
    """
    meta = CheckpointMeta.read(folder)
    check_same_run(check_config(meta.config, str(folder)), config, str(folder))
    try:
        stream.guards.check(meta.guards)
    except StreamMismatchError as error:
        raise StreamMismatchError(f"{error}: {_anew(RunFolder(config.run.folder))}") from None
    load_state(folder, state, meta.world_size)
    return Position(meta.step, meta.stream)


def check_same_run(saved: Config, now: Config, origin: str) -> None:
    """Check that a run is resumed with the settings that it was saved with, but for those that change no number.

    What was saved before a setting existed was saved with its default. Raises ConfigError.
    """
    before_all = saved.model_dump(mode="json")
    for section, values in now.model_dump(mode="json").items():
        for key, value in values.items():
            name, before = f"{section}.{key}", before_all[section][key]
            if before != value and name not in MAY_CHANGE and section not in MAY_CHANGE_SECTIONS:
                raise ConfigError(
                    f"{name} = {value!r}: {origin} was saved with {before!r}; "
                    "restore the old value, or choose a new run.folder"
                )


def check_same_labels(folder: RunFolder, dataset: Dataset) -> None:
    """Check that a data set has the labels that the run's rows were trained with; DataError where it has others."""
    if folder.labels.is_file() and not folder.has_labels_of(dataset):
        raise DataError(
            f"data.dataset = {dataset.path}: its {len(dataset.vocabulary):,} labels are not the "
            f"{len(folder.vocabulary()):,} labels of {folder.labels}, whose rows this run has trained: shard the same "
            f"corpus again with `lmmtc shard --vocabulary {folder.labels}`, or {_anew(folder)}"
        )


def _anew(folder: RunFolder) -> str:
    return f"begin a new run with what was learnt: another run.folder, and run.init_from = '{folder.path}'"
