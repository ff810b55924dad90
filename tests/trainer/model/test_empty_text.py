"""A text without a token, special ones included: an empty text of a tokenizer that adds none."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sharding import TokenizerSpec
from tests.trainer.model.tiny import FAMILIES, PAD, some_slots, some_texts, tiny_model, weighted
from trainer.config import ClozeSection, MlmSection, ModelSection
from trainer.data import State, TextBatch, pad_texts
from trainer.model import LabelMaskModel, Slots, load_encoder

Pooling = Literal["mean", "first"]

SPEC = TokenizerSpec("", 50, prefix=(), suffix=(), mask_id=3, pad_id=PAD, special_ids=(PAD, 3))


def batch_of(*texts: list[int]) -> TextBatch:
    tokens = np.array([token for text in texts for token in text], dtype=np.int64)
    ids_BT, mask_BT, _ = map(torch.from_numpy, pad_texts(tokens, np.cumsum([0, *map(len, texts)]), SPEC, 16))
    masked_BT = torch.zeros_like(mask_BT)
    weights_B = torch.ones(len(texts))
    return replace(
        some_texts(), weights_B=weights_B, ids_BT=ids_BT, originals_BT=ids_BT, masked_BT=masked_BT, mask_BT=mask_BT
    )


def answer(model: LabelMaskModel, batch: TextBatch) -> tuple[Tensor, Tensor]:
    """Return queries and the logits of two slots each; the first record has revealed no label."""
    torch.manual_seed(2)
    revealed, masked = (
        Slots(*(part[: len(batch.ids_BT)] for part in (slots.ids_BC, slots.rows_BCX, slots.states_BC)))
        for slots in (some_slots([[-1], [3]], State.YES), some_slots([[1, 4], [5, 2]], State.MASK))
    )
    text = model.read(batch)
    return text.query_BE, model.fill(text, masked, revealed)


def check(model: LabelMaskModel) -> None:
    """Expect the same of an empty text in any batch, and gradients that are finite."""
    assert model.readout is not None
    nn.init.normal_(model.readout.output.weight)
    model = model.double().eval()
    alone, together = answer(model, batch_of([])), answer(model, batch_of([], [5, 6, 7, 8, 9]))
    for own, among_others in zip(alone, together, strict=True):
        torch.testing.assert_close(among_others[:1], own, rtol=0, atol=1e-10)
    torch.stack([weighted(part) for part in (*alone, *together)]).sum().backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert gradients
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


@pytest.mark.parametrize("pooling", ["mean", "first"])
@pytest.mark.parametrize("family", FAMILIES)
def test_an_empty_text_is_read_alike_in_any_batch(tmp_path: Path, family: str, pooling: Pooling) -> None:
    check(tiny_model(tmp_path, family=family, pooling=pooling))


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_an_encoder_with_real_weights_reads_an_empty_text(tokenizer_folder: Path, pooling: Pooling) -> None:
    settings = ModelSection(encoder=tokenizer_folder, pooling=pooling, label_width=12)
    check(LabelMaskModel(load_encoder(settings), settings, ClozeSection(slots="shortlist"), MlmSection(weight=0.5)))
