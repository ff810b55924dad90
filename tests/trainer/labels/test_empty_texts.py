"""Where texts say nothing, a cloze must learn nothing but how frequent labels are, however its slots were chosen."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from sharding import convert
from tests.trainer.components import Components, tiny_config
from trainer.config import Config
from trainer.data import TextBatch
from trainer.distributed import Ranks
from trainer.labels import shortlist
from trainer.model import Normaliser
from trainer.training.components import build_optimizer

LABELS, RECORDS, STEPS = 60, 960, 60


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path, tiny_encoder: Path) -> Config:
    """Make records without a text, with labels that are frequent or rare and otherwise drawn at random."""
    folder, draw = tmp_path_factory.mktemp("empty"), np.random.default_rng(0)
    lines = []
    for number in range(RECORDS):
        labels = {int(LABELS * draw.random() ** 2) for _ in range(3)}
        record = {"id": str(number), "text": "", "labels": [f"label {label}" for label in labels]}
        lines.append(json.dumps(record | {"split": "train" if number < RECORDS - 40 else "dev"}))
    (folder / "empty.jsonl").write_text("\n".join(lines))
    convert(folder / "empty.jsonl", folder / "shards", tokenizer_folder)
    return tiny_config(
        folder / "shards",
        tiny_encoder,
        model={"max_tokens": 8},
        labels={"optimizer": "adam", "lr": 0.01, "buffer_gradients": False},
        cloze={"shortlist": 4, "chunk": 64, "inject": 2, "all_masked": 1.0},
        mlm={"weight": 0.0},
        train={"steps": STEPS, "global_batch": 16, "micro_batch": 16, "lr": 0.003},
    )


def told_apart(ranks: Ranks, config: Config, negatives: int) -> tuple[float, float]:
    """Train; return how well label frequency and the cloze tell true slots from false ones (area under ROC).

    Frequency: how often a label with a slot is true, counted in other records.
    """
    shortlist.NEGATIVES = negatives
    parts = Components.build(config, ranks, build_optimizer)
    batches = parts.batches(STEPS + 120)
    for step in range(1, STEPS + 1):
        parts.step(step, batches[step - 1])
    slots = [asked(parts, batch) for (batch,) in batches[STEPS:]]
    (known_ids, _, known), (ids, scores, true) = (joined(slots[part::2]) for part in range(2))
    shown_L, true_L = (np.bincount(known_ids, weights, LABELS) for weights in (np.ones(len(known)), known))
    return float(roc_auc_score(true, (true_L / shown_L.clip(min=1))[ids])), float(roc_auc_score(true, scores))


def joined(slots: list[tuple[Tensor, ...]]) -> tuple[np.ndarray, ...]:
    return tuple(torch.cat(part).numpy() for part in zip(*slots, strict=True))


@torch.no_grad()
def asked(parts: Components, batch: TextBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Propose as training does; returns the labels of all slots, their scores, and whether they are true."""
    model: Any = parts.engine.module
    text = model.read(batch)
    proposal, _ = parts.labels.learn(batch, text.query_BE, Normaliser(1, 1, 1), lambda *_: None, 1)
    scores = proposal.scores_BK + model.fill(text, proposal.masked, proposal.revealed)
    real = proposal.masked.mask_BC
    return proposal.masked.ids_BC[real], scores[real], proposal.targets_BK[real]


@pytest.mark.nightly
@pytest.mark.ranks
def test_with_empty_texts_the_cloze_gains_nothing_over_frequency(
    on_ranks: Callable[..., list[Any]], config: Config
) -> None:
    ((frequency, cloze),) = on_ranks(told_apart, 1, config, 4)
    ((_, without_negatives),) = on_ranks(told_apart, 1, config, 0)
    assert 0.55 < cloze < frequency + 0.02  # frequency is learned, and nothing else
    assert without_negatives > cloze + 0.1  # positives alone would betray themselves by their low scores
