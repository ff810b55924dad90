"""Labels without a training record, ranked among themselves: by the trained model, by the one it was, and by chance."""

from collections.abc import Iterator
from dataclasses import replace

import torch

from sharding import Dataset, sequential
from trainer.config import Config
from trainer.distributed import ONE_RANK
from trainer.evaluation import KS, LabelCounts, Ranker, ask
from trainer.labels import LabelRetriever, build_candidates
from trainer.labels.table import SCAN_BIAS
from trainer.model import text_tokens
from trainer.training.components import build_model, plain_collator
from trainer.training.initialize import build_table, initialize

from .runs import BATCH


def rows(trained: Ranker, config: Config, dataset: Dataset) -> Iterator[list[str]]:
    """Show the recall at each k, in percent, of the test split's assignments to labels that training never saw."""
    unseen = int((dataset.vocabulary.counts == 0).sum())
    yield ["chance", *(f"{100 * k / unseen:.2f}" for k in KS)]
    for name, ranker in (("before training", untrained(config, dataset)), ("after training", trained)):
        yield [name, *(f"{100 * share:.1f}" for share in recall_K(ranker, dataset))]


def untrained(config: Config, dataset: Dataset) -> Ranker:
    """Build the model as training begins: rows and query where the encoder puts texts."""
    model = build_model(config)
    table = build_table(config, dataset, ONE_RANK, model.encoder.width)
    initialize(config, dataset, model, table, lambda *_: None)
    labels = build_candidates(config, table, len(dataset.vocabulary), ONE_RANK)
    tokens = text_tokens(model.encoder, config, len(dataset.vocabulary))
    return Ranker(model.eval(), labels, plain_collator(config, dataset, tokens), torch.device("cpu"))


def recall_K(ranker: Ranker, dataset: Dataset) -> list[float]:
    """Rank the unseen labels alone, by the scan, and count which of their assignments are among the first k."""
    unseen_L = dataset.vocabulary.counts == 0
    counts, alone = LabelCounts.zeros(len(KS), len(unseen_L)), replace(ranker, labels=_unseen_alone(ranker))
    for records in sequential(dataset.split("test"), batch=BATCH):
        answers = ask(alone, records)["scan"].among(unseen_L)
        counts.add(answers, [answers.top_NK(k) for k in KS])
    return counts.recall_D(unseen_L).tolist()


def _unseen_alone(ranker: Ranker) -> LabelRetriever:
    """Put every trained label behind all others."""
    side = ranker.labels
    assert isinstance(side, LabelRetriever)
    biases_R2 = side.table.biases_R2.clone()
    biases_R2[side.table.trained_R, SCAN_BIAS] = -torch.inf
    return replace(side, table=replace(side.table, biases_R2=biases_R2))
