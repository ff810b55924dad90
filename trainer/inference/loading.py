"""Load a trained model from the folder of its run, for evaluation and prediction."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from sharding import LabelFilter, TextTokenizer, Vocabulary

from ..checkpoint import CheckpointMeta, checkpoints_of, load_parameters, load_rows
from ..config import Config
from ..data import Collator, own_labels
from ..distributed import ONE_RANK, Ranks
from ..errors import CheckpointError, ConfigError
from ..evaluation import Ranker
from ..labels import LabelTable, RowRange, build_candidates, check_memory
from ..model import Model, build_encoder, build_form, text_tokens
from ..run.folder import RunFolder


@dataclass(frozen=True)
class TrainedModel:
    """A checkpoint of a run on one device, label rows split over ranks.

    Attributes:
        config: Config of the run.
        step: Where its training stood.
        vocabulary: Its labels, in the order of the rows.
        tokenizer: Tokenizer of its data set.
        train_records: How many records it was trained on.
        ranker: Its own rankings.
    """

    config: Config
    step: int
    vocabulary: Vocabulary
    tokenizer: TextTokenizer
    train_records: int
    ranker: Ranker

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        refine: int = 0,
        depth: int | None = None,
        ranks: Ranks = ONE_RANK,
        step: int | None = None,
    ) -> "TrainedModel":
        """Load a run's folder; of the label rows, this rank's range. A collective, as is all ranking.

        Args:
            path: The folder.
            refine: Passes in which answers are refined.
            depth: Labels that are ranked; None: cloze.shortlist.
            ranks: Who shares the rows.
            step: Step of the checkpoint; None: the newest that is whole.

        Raises:
            ConfigError: The folder is no run's, or its rows would not fit into memory.
            CheckpointError: It has no checkpoint, or none that is whole.
        """
        folder = RunFolder(path)
        config = folder.config()
        vocabulary, tokenizer = folder.vocabulary(), folder.tokenizer()
        store = checkpoints_of(folder, config, ranks)
        rows = RowRange.of_rank(len(vocabulary), ranks.rank, ranks.world_size)
        checkpoint = store.newest(rows) if step is None else store.at(step, rows)
        if checkpoint is None:
            raise CheckpointError(f"{store.place}: there is no checkpoint yet; train the run first")
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = _load_model(folder, config, checkpoint).to(device)
        check_memory(config, len(vocabulary), model.encoder.width, ranks, learning=False)
        table = _load_table(config, checkpoint, vocabulary, rows, device)
        loaded = cls(
            config=config,
            step=CheckpointMeta.read(checkpoint).step,
            vocabulary=vocabulary,
            tokenizer=tokenizer,
            train_records=folder.train_records(),
            ranker=Ranker(
                model=model,
                labels=build_candidates(config, table, len(vocabulary), ranks, folder.plan()),
                collate=Collator(
                    tokenizer.spec,
                    len(vocabulary),
                    text_tokens(model.encoder, config, len(vocabulary)),
                    own_labels=own_labels(config.data, vocabulary),
                ),
                device=device,
                refine=refine,
                max_context=config.cloze.max_context,
                depth=depth and min(depth, len(vocabulary)),
                reads_no=config.cloze.shows_no,
            ),
        )
        store.release()
        return loaded

    def excluding(self, excluded: LabelFilter) -> "TrainedModel":
        """Return the model without some labels by record: neither candidates nor, where answers are judged, truth."""
        return replace(self, ranker=replace(self.ranker, excluded=excluded))

    def weighing_prior(self, weight: float) -> "TrainedModel":
        """Return the model with the bias of every label, which began at the log-odds of its frequency, times `weight`.

        Above 1 frequent labels come forward, below 1 rare ones; at 1 the scores are those that were trained. Raises
        ConfigError for a weight that is negative or not finite.
        """
        if not 0 <= weight < math.inf:
            raise ConfigError(f"prior weight {weight}: must be a number of at least 0")
        labels = self.ranker.labels
        table = replace(labels.table, biases_R2=weight * labels.table.biases_R2)
        return replace(self, ranker=replace(self.ranker, labels=labels.with_table(table)))


def _load_model(folder: RunFolder, config: Config, checkpoint: Path) -> Model:
    model = build_form(build_encoder(folder.encoder_config()), config)
    tensors = load_parameters(checkpoint)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[name])
    return model


def _load_table(
    config: Config, checkpoint: Path, vocabulary: Vocabulary, own: RowRange, device: torch.device
) -> LabelTable:
    vectors_RE, biases_R2 = (load_rows(checkpoint, name, own) for name in ("vectors", "biases"))
    table = LabelTable(vectors_RE, biases_R2, torch.from_numpy(vocabulary.counts[own.as_slice()] > 0), own)
    return table.to(device) if config.labels.placement == "device" else table
