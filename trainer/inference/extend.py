"""New labels for a trained run, without training: each gets the row that it would have had in the beginning."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sharding import ChunkPlan, publish_folder

from ..checkpoint import checkpoints_of, copy_checkpoint, load_parameters, row_tensors, rows_file
from ..config import Config
from ..errors import CheckpointError, ConfigError
from ..labels import RowRange, new_table, row_optimizer
from ..labels.text_init import Progress, start_rows
from ..model import TextEncoder, build_encoder, load_encoder
from ..run.folder import RunFolder
from ..training.initialize import init_texts, project_texts, read_texts
from .loading import TrainedModel


@dataclass(frozen=True)
class Extension:
    """The result of an extension.

    Attributes:
        before: How many labels there were.
        after: How many there are.
        from_texts: How many of the new rows come from texts; the others are random.
    """

    before: int
    after: int
    from_texts: int


def extend(
    run: RunFolder, texts: Mapping[str, str | None], out: Path, encoder_folder: Path | None, progress: Progress
) -> Extension:
    """Write the folder `out`, complete or not at all: the run, and new labels behind its own.

    The encoder is read as it was before training; a new label's optimiser state is zero. Old labels keep ids and rows,
    and with a shortlist their scores (of a text that is scored alone up to rounding, which may follow the width of the
    scan's last chunk); where all labels have slots, the last chunk of the plan is filled up.

    Args:
        run: The trained run.
        texts: The new labels, {label: text or None}.
        out: The new folder.
        encoder_folder: Folder of the untrained encoder; None: where the run's configuration says.
        progress: Called while texts are encoded.

    Raises:
        DataError: `out` has files, or a label is there already.
        ConfigError: The encoder is gone or another.
        CheckpointError: There is no checkpoint.
    """
    config, before = run.config(), run.vocabulary()
    after = before.extended(texts)
    texts_of_all = init_texts(config, after)
    first, new = texts_of_all[: run.labels_at_start()], texts_of_all[len(before) :]
    from_texts = len(new) - new.null_count if first.null_count < len(first) else 0
    with publish_folder(out) as folder:
        store = checkpoints_of(run, config)
        checkpoint = store.newest()
        if checkpoint is None:
            raise CheckpointError(f"{store.place}: there is no checkpoint yet; train the run first")
        encoder = build_encoder(run.encoder_config())
        table = new_table(config, after.counts, run.train_records(), encoder.width, RowRange(len(before), len(after)))
        if from_texts:
            encoder = _untrained(run, config, checkpoint, encoder_folder)
            reader = replace(read_texts(config, encoder, run.tokenizer(), first), cache=None)
            as_first = replace(table, range=RowRange(0, len(new)))
            start_rows(as_first, replace(reader, texts=new), project_texts(config, reader), progress)
        extended = RunFolder(folder)
        run.copy_to(extended, after, _longer(run.plan(), len(after)))
        state = row_tensors(row_optimizer(config.labels.optimizer, table, config.labels.weight_decay))
        copy_checkpoint(checkpoint, extended.checkpoints, {rows_file(table.range): state})
        store.release()
        if config.cloze.slots == "all":
            TrainedModel.load(folder)  # refuses more labels than can have slots
    return Extension(len(before), len(after), from_texts)


def _longer(plan: ChunkPlan | None, num_labels: int) -> ChunkPlan | None:
    """Put new labels behind all others."""
    return plan and ChunkPlan(np.append(plan.order, np.arange(len(plan), num_labels)), plan.size)


def _untrained(run: RunFolder, config: Config, checkpoint: Path, folder: Path | None) -> TextEncoder:
    """Load the encoder as it was before training, and refuse one that cannot be it."""
    name = "--encoder" if folder else "model.encoder"
    settings = config.model.model_copy(update={"encoder": folder or config.model.encoder})
    if not (settings.encoder / "config.json").is_file():
        raise ConfigError(
            f"{name} = {settings.encoder}: no encoder there; {run.path} began with model.encoder = "
            f"{config.model.encoder}, and new labels are placed by what it makes of their texts: give its folder with "
            "--encoder FOLDER"
        )
    encoder = load_encoder(settings)
    trained = {name: list(tensor.shape) for name, tensor in load_parameters(checkpoint).items()}
    for part, parameter in encoder.named_parameters(prefix="encoder"):
        if trained.get(part) != list(parameter.shape):
            raise ConfigError(
                f"{name} = {settings.encoder}: {part} is of shape {list(parameter.shape)} there, and of shape "
                f"{trained.get(part, 'none')} in {run.path}: give the encoder that this run began with"
            )
    return encoder
