"""The parts of the model together: who takes part, where it starts, what is shared."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.trainer.model.tiny import FAMILIES, LABEL_WIDTH, some_slots, some_texts, tiny_model
from trainer.data import State, TextBatch
from trainer.model import LabelMaskModel, Losses, Normaliser, Proposal, Slots

MASKED = [[1, 4, 6], [5, 2, 1], [8, 4, -1]]


def single(slots: Slots) -> Slots:
    return replace(slots, rows_BCX=slots.rows_BCX.detach().float().requires_grad_())


def proposal_for(query_BE: Tensor) -> Proposal:
    masked = single(some_slots(MASKED, State.MASK))
    return Proposal(
        masked=masked,
        scores_BK=torch.where(masked.mask_BC, 0.5, -torch.inf),
        targets_BK=masked.ids_BC == 4,
        revealed=single(some_slots([[], [], []], State.YES)),
        recalled=torch.zeros(()),
        findable=torch.zeros(()),
        loss=torch.ones(()),
        query_gradient_BE=torch.ones_like(query_BE),
    )


def losses_of(model: LabelMaskModel, batch: TextBatch) -> Losses:
    torch.manual_seed(0)  # of the rows that are proposed
    losses, _ = model(batch, SimpleNamespace(propose=proposal_for), Normaliser(3, 2, 1), lambda _: nullcontext())
    return losses


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="everything"),
        pytest.param({"cloze": {"enabled": False}}, id="no cloze"),
        pytest.param({"mlm": 0.0}, id="no MLM"),
        pytest.param({"cloze": {"enabled": False}, "mlm": 0.0, "pooling": "first"}, id="scan alone"),
    ],
)
def test_every_parameter_takes_part_in_every_micro_step(tmp_path: Path, family: str, settings: dict[str, Any]) -> None:
    model = tiny_model(tmp_path, family=family, **settings)
    batch = some_texts()
    for micro_batch in (batch, replace(batch, masked_BT=torch.zeros_like(batch.masked_BT))):
        model.zero_grad()
        losses_of(model, micro_batch).total.backward()
        assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_a_new_cloze_adds_nothing_to_the_scan(tmp_path: Path) -> None:
    model = tiny_model(tmp_path)
    masked = single(some_slots(MASKED, State.MASK))
    no_bias = replace(masked, rows_BCX=masked.rows_BCX * (torch.arange(LABEL_WIDTH + 2) <= LABEL_WIDTH))
    logits_BK = model.fill(model.read(some_texts()), no_bias, single(some_slots([[3], [-1], [2]], State.YES)))
    assert not logits_BK.any()


def test_the_loss_is_finite_though_an_empty_slot_scores_minus_infinity(tmp_path: Path) -> None:
    assert bool(losses_of(tiny_model(tmp_path), some_texts()).total.isfinite())


def test_labels_read_the_whole_text_where_mlm_has_a_pass_of_its_own(tmp_path: Path) -> None:
    model = tiny_model(tmp_path)
    assert model.readout is not None
    nn.init.normal_(model.readout.output.weight)
    whole = some_texts()
    hidden = replace(whole, ids_BT=whole.ids_BT.masked_fill(whole.masked_BT, 4))
    of_whole, of_hidden = losses_of(model, whole), losses_of(model, hidden)
    model._own_pass = True
    found = losses_of(model, hidden)
    assert found.cloze == of_whole.cloze != of_hidden.cloze
    assert found.mlm == of_hidden.mlm != of_whole.mlm


def test_the_mlm_decoder_is_the_word_embedding(tmp_path: Path) -> None:
    model = tiny_model(tmp_path)
    assert model.mlm is not None
    assert model.mlm.decoder.weight is model.encoder.word_embeddings.weight
    assert "mlm.decoder.weight" not in dict(model.named_parameters())  # so that a checkpoint holds it once


def test_a_query_is_the_mean_of_real_tokens_or_the_first(tmp_path: Path) -> None:
    for pooling in ("mean", "first"):
        model = tiny_model(tmp_path, pooling=pooling)
        batch = some_texts()
        text = model.read(batch)
        for record, hidden_TD in enumerate(text.hidden_BTD):
            real_TD = hidden_TD[batch.mask_BT[record]]
            pooled_D = real_TD.mean(dim=0) if pooling == "mean" else real_TD[0]
            # fp32: a mean of seven numbers of about 1.
            torch.testing.assert_close(text.query_BE[record], model.query.project(pooled_D), rtol=1e-5, atol=1e-5)
