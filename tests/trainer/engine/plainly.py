"""The same training again, without DeepSpeed, ranks, chunks or closed forms: one graph over a whole global batch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from sharding import Dataset, StreamState, TrainStream
from tests.trainer.parts import awake_model, momentum_sgd
from trainer.config import Config
from trainer.data import Collator, TextBatch
from trainer.labels import RowRange, create_table
from trainer.model import LabelMaskModel, Slots
from trainer.schedule import schedule


@dataclass(frozen=True)
class Result:
    """Parameters before and after training, `rows` among them, and the loss terms of each step."""

    before: dict[str, np.ndarray]
    after: dict[str, np.ndarray]
    losses: list[dict[str, float]]


def train_plainly(config: Config) -> Result:
    """Train all steps in one process."""
    dataset = Dataset.open(config.data.dataset)
    counts, train = dataset.vocabulary.counts, dataset.split("train").num_records
    model = awake_model(config)
    optimizer = momentum_sgd(model, config)
    whole = RowRange(0, len(counts))
    table = create_table(counts, train, model.query.project.out_features, config.run.seed, whole)
    rows_LX = table.rows_RX.requires_grad_()
    before, losses = _numbers(model, rows_LX), []
    for step, batch in zip(range(1, config.train.steps + 1), _whole_batches(config, dataset), strict=False):
        terms = _losses(model, rows_LX, table.trained_R, batch, config)
        (terms["scan"] + terms["cloze"] + config.mlm.weight * terms["mlm"]).backward()
        share = schedule(step, config.train.steps, config.train.warmup)
        optimizer.param_groups[0]["lr"] = config.train.lr * share
        optimizer.step()
        optimizer.zero_grad()
        assert rows_LX.grad is not None
        with torch.no_grad():
            rows_LX -= config.labels.lr * share * rows_LX.grad
        rows_LX.grad = None
        losses.append({name: term.item() for name, term in terms.items()})
    return Result(before, _numbers(model, rows_LX), losses)


def _losses(
    model: LabelMaskModel, rows_LX: Tensor, trained_L: Tensor, batch: TextBatch, config: Config
) -> dict[str, Tensor]:
    text = model.read(batch)
    logits_BL = text.query_BE @ rows_LX[:, :-2].T + rows_LX[:, -2]
    targets_BL = torch.zeros_like(logits_BL)
    targets_BL[batch.label_records(), batch.labels] = 1
    scan_BL = binary_cross_entropy_with_logits(logits_BL, targets_BL, reduction="none") * trained_L
    ids_BK = _shortlists(logits_BL, batch.revealed_BV, config.cloze.shortlist)
    cloze_BK = model.fill(text, _slots(ids_BK, rows_LX, 0), _slots(batch.revealed_BV, rows_LX, 1))
    cloze = binary_cross_entropy_with_logits(
        logits_BL.detach().gather(1, ids_BK) + cloze_BK, targets_BL.gather(1, ids_BK), reduction="sum"
    )
    assert model.mlm is not None
    mlm = cross_entropy(model.mlm(text.hidden_BTD[batch.masked_BT]), batch.originals_BT[batch.masked_BT])
    return {"scan": scan_BL.sum() / len(ids_BK), "cloze": cloze / len(ids_BK), "mlm": mlm}


def _shortlists(logits_BL: Tensor, revealed_BV: Tensor, length: int) -> Tensor:
    chosen = []
    for logits_L, revealed_V in zip(logits_BL.tolist(), revealed_BV.tolist(), strict=True):
        ranked = sorted(range(len(logits_L)), key=lambda label, logits_L=logits_L: -logits_L[label])
        chosen.append([label for label in ranked if label not in revealed_V][:length])
    return torch.tensor(chosen)


def _slots(ids_BC: Tensor, rows_LX: Tensor, state: int) -> Slots:
    return Slots(ids_BC, rows_LX[ids_BC], torch.full_like(ids_BC, state))


def _whole_batches(config: Config, dataset: Dataset) -> Iterator[TextBatch]:
    stream = TrainStream(dataset, "train", seed=config.run.seed, global_batch=config.train.global_batch)
    collate = Collator(
        dataset.manifest.tokenizer,
        len(dataset.vocabulary),
        config.model.max_tokens,
        config.run.seed,
        config.mlm,
        config.cloze,
    )
    for records, _ in stream.batches(StreamState()):
        yield collate(records)


def _numbers(model: LabelMaskModel, rows_LX: Tensor) -> dict[str, np.ndarray]:
    dense = {name: parameter.detach().numpy().copy() for name, parameter in model.named_parameters()}
    return dense | {"rows": rows_LX.detach().numpy().copy()}
