"""The same training again, without DeepSpeed, ranks, chunks or closed forms: one graph over a whole global batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from sharding import Dataset, StreamState, TrainStream
from tests.trainer.components import awake_model, momentum_sgd
from trainer.config import Config
from trainer.data import Collator, TextBatch
from trainer.labels import RowRange, new_table, slot_plan
from trainer.model import Model, Slots
from trainer.training.schedule import schedule


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
    table = new_table(config, counts, train, model.encoder.width, whole)
    rows_LX = table.rows(slice(None)).requires_grad_()
    plan = slot_plan(config, dataset)
    slots = range(len(counts)) if plan is None else plan.order.tolist()
    before, losses = _numbers(model, rows_LX), []
    for step, batch in zip(range(1, config.train.steps + 1), _whole_batches(config, dataset), strict=False):
        terms = _losses(model, rows_LX, table.trained_R, slots, batch, config)
        (terms["scan"] + terms["cloze"] + config.mlm.weight * terms["mlm"]).backward()
        if config.train.clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.train.clip)
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
    model: Model, rows_LX: Tensor, trained_L: Tensor, all_slots: Sequence[int], batch: TextBatch, config: Config
) -> dict[str, Tensor]:
    revealed = _slots(batch.revealed_BV, rows_LX, batch.revealed_states_BV)
    with _precision(config):
        text = model.read(batch, revealed if config.cloze.reads_context else None)
    targets_BL = torch.zeros(len(batch.weights_B), len(rows_LX))
    targets_BL[batch.label_records(), batch.labels] = 1
    if config.cloze.scans:
        logits_BL = text.query_BE.float() @ rows_LX[:, :-2].T + rows_LX[:, -2]
        scan_BL = binary_cross_entropy_with_logits(logits_BL, targets_BL, reduction="none") * trained_L
        if config.cloze.reads_context:
            scan_BL = scan_BL * ~_is_revealed(batch, len(rows_LX))
        ids_BK = _shortlists(logits_BL, batch.revealed_BV, config.cloze.shortlist)
    else:
        logits_BL = scan_BL = torch.zeros_like(targets_BL)
        ids_BK = _all_but(batch.revealed_BV, all_slots)
    with _precision(config):
        mlm = _mlm_loss(model, text.hidden_BTD, batch)
        if not config.cloze.has_slots:
            return {"scan": scan_BL.sum() / len(ids_BK), "cloze": torch.zeros(()), "mlm": mlm}
        cloze_BK = model.fill(text, _slots(ids_BK, rows_LX, torch.zeros_like(ids_BK)), revealed)
    logits_BK, targets_BK = (tensor_BL.detach().gather(1, ids_BK.clamp(min=0)) for tensor_BL in (logits_BL, targets_BL))
    cloze_BK = binary_cross_entropy_with_logits(logits_BK + cloze_BK, targets_BK, reduction="none") * (ids_BK >= 0)
    return {"scan": scan_BL.sum() / len(ids_BK), "cloze": cloze_BK.sum() / len(ids_BK), "mlm": mlm}


def _mlm_loss(model: Model, hidden_BTD: Tensor, batch: TextBatch) -> Tensor:
    assert model.mlm is not None
    return cross_entropy(model.mlm(hidden_BTD[batch.masked_BT]), batch.originals_BT[batch.masked_BT])


def _precision(config: Config) -> torch.autocast:
    """Cast each use of a parameter anew: autocast's shared copies would sum gradients in bf16."""
    return torch.autocast("cpu", torch.bfloat16, enabled=config.train.precision == "bf16", cache_enabled=False)


def _shortlists(logits_BL: Tensor, revealed_BV: Tensor, length: int) -> Tensor:
    chosen = []
    for logits_L, revealed_V in zip(logits_BL.tolist(), revealed_BV.tolist(), strict=True):
        ranked = sorted(range(len(logits_L)), key=lambda label, logits_L=logits_L: -logits_L[label])
        chosen.append([label for label in ranked if label not in revealed_V][:length])
    return torch.tensor(chosen)


def _all_but(revealed_BV: Tensor, all_slots: Sequence[int]) -> Tensor:
    return torch.tensor(
        [[-1 if label in shown_V else label for label in all_slots] for shown_V in revealed_BV.tolist()]
    )


def _is_revealed(batch: TextBatch, num_labels: int) -> Tensor:
    known_BL = torch.zeros(len(batch.weights_B), num_labels + 1, dtype=torch.bool)
    return known_BL.scatter(1, batch.revealed_BV % (num_labels + 1), value=True)[:, :-1]  # -1 is behind the last


def _slots(ids_BC: Tensor, rows_LX: Tensor, states_BC: Tensor) -> Slots:
    return Slots(ids_BC, rows_LX[ids_BC], states_BC)


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


def _numbers(model: Model, rows_LX: Tensor) -> dict[str, np.ndarray]:
    dense = {name: parameter.detach().numpy().copy() for name, parameter in model.named_parameters()}
    return dense | {"rows": rows_LX.detach().numpy().copy()}
