"""A trained model, read from the folder of its run: all that evaluation and prediction need."""

from dataclasses import dataclass
from pathlib import Path

import torch

from sharding import TextTokenizer, Vocabulary

from .checkpoint import CheckpointMeta, CheckpointStore, load_parameters, load_rows
from .config import Config
from .data import Collator
from .distributed import ONE_RANK
from .errors import CheckpointError
from .evaluation import Ranker
from .labels import LabelSide, LabelTable, RowRange
from .model import LabelMaskModel, build_encoder
from .run_folder import RunFolder


@dataclass(frozen=True)
class TrainedModel:
    """The newest checkpoint of a run, whole on one device; `step` is where its training stood."""

    config: Config
    step: int
    vocabulary: Vocabulary
    tokenizer: TextTokenizer
    train_records: int
    ranker: Ranker

    @classmethod
    def load(cls, path: Path) -> "TrainedModel":
        """Read a run's folder.

        Raises ConfigError if it is none, CheckpointError if it has no checkpoint or none that is whole.
        """
        folder = RunFolder(path)
        config = folder.config()
        checkpoint = CheckpointStore(folder.checkpoints).newest()
        if checkpoint is None:
            raise CheckpointError(f"{folder.checkpoints}: there is no checkpoint yet; train the run first")
        vocabulary, tokenizer = folder.vocabulary(), folder.tokenizer()
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return cls(
            config=config,
            step=CheckpointMeta.read(checkpoint).step,
            vocabulary=vocabulary,
            tokenizer=tokenizer,
            train_records=folder.train_records(),
            ranker=Ranker(
                model=_load_model(folder, config, checkpoint).to(device),
                labels=_load_labels(config, checkpoint, vocabulary, device),
                collate=Collator(tokenizer.spec, len(vocabulary), config.model.max_tokens),
                device=device,
            ),
        )


def _load_model(folder: RunFolder, config: Config, checkpoint: Path) -> LabelMaskModel:
    encoder = build_encoder(folder.encoder_config())
    model = LabelMaskModel(encoder, config.model, config.cloze, config.mlm.weight)
    tensors = load_parameters(checkpoint)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[name])
    return model


def _load_labels(config: Config, checkpoint: Path, vocabulary: Vocabulary, device: torch.device) -> LabelSide:
    everything = RowRange(0, len(vocabulary))
    rows = load_rows(checkpoint, "rows", everything)
    table = LabelTable(rows, torch.from_numpy(vocabulary.counts > 0), everything).to(device)
    return LabelSide(table, len(vocabulary), config.cloze.shortlist, config.labels.chunk, ONE_RANK)
