"""A model that nobody trained, whose queries are as good as any to test an index with."""

from pathlib import Path
from typing import Any

import torch

from sharding import TRAIN, Dataset, TextTokenizer
from tests.trainer.components import tiny_config
from trainer.config import NeighboursSection
from trainer.data import Collator
from trainer.distributed import ONE_RANK, Ranks
from trainer.evaluation import Ranker
from trainer.inference.loading import TrainedModel
from trainer.labels import RowRange, build_candidates, new_table
from trainer.model import text_tokens
from trainer.training.components import build_model

STEP = 3


def tiny_model(dataset_path: Path, encoder: Path, ranks: Ranks = ONE_RANK, **sections: dict[str, Any]) -> TrainedModel:
    """Build it as training would begin it: run.seed decides its numbers."""
    config, dataset = tiny_config(dataset_path, encoder, **sections), Dataset.open(dataset_path)
    vocabulary, model = dataset.vocabulary, build_model(config).eval()
    own = RowRange.of_rank(len(vocabulary), ranks.rank, ranks.world_size)
    train_records = dataset.split(TRAIN).num_records
    table = new_table(config, vocabulary.counts, train_records, model.encoder.width, own)
    tokenizer = TextTokenizer.from_folder(dataset_path / "tokenizer")
    tokens = text_tokens(model.encoder, config, len(vocabulary))
    return TrainedModel(
        config=config,
        step=STEP,
        vocabulary=vocabulary,
        tokenizer=tokenizer,
        train_records=train_records,
        ranker=Ranker(
            model=model,
            labels=build_candidates(config, table, len(vocabulary), ranks),
            collate=Collator(tokenizer.spec, len(vocabulary), tokens),
            device=torch.device("cpu"),
        ),
    )


def settings(**keys: Any) -> NeighboursSection:
    """Ask for three neighbours."""
    return NeighboursSection(**{"k": 3, "features": 4096} | keys)
