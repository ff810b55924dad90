"""Tiny encoders of several families as folders, and a model, texts and slots to try them with."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModel, PreTrainedModel

from trainer.config import ClozeSection, MlmSection, ModelSection
from trainer.data import State, TextBatch
from trainer.model import LabelMaskModel, Slots, load_encoder

VOCABULARY, WIDTH, LABEL_WIDTH, PAD = 50, 16, 12, 1
WINDOW = 2  # ModernBERT's local attention: one neighbour on either side
LAYERS = ["full_attention", "sliding_attention"]

SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "pad_token_id": PAD,
    "max_position_embeddings": 40,
    "initializer_range": 0.3,  # large enough that attention differs from a mean
}
NO_DROPOUT: dict[str, Any] = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
# Defaults that are outside so small a vocabulary.
SPECIAL: dict[str, Any] = {"bos_token_id": 2, "eos_token_id": 3}
SEPARATORS: dict[str, Any] = {"cls_token_id": 2, "sep_token_id": 3}

# By transformers' model_type: what makes each family itself.
FAMILIES: dict[str, dict[str, Any]] = {
    "albert": NO_DROPOUT | {"embedding_size": 8},
    "bert": NO_DROPOUT,
    "distilbert": {"hidden_dim": 24, "dropout": 0.0, "attention_dropout": 0.0},
    "electra": NO_DROPOUT | {"embedding_size": 8},
    "eurobert": SPECIAL | {"mask_token_id": 4, "num_key_value_heads": 1},
    "modernbert": SPECIAL | SEPARATORS | {"local_attention": WINDOW, "layer_types": LAYERS},
    "nomic_bert": NO_DROPOUT,
    "roberta": NO_DROPOUT | {"type_vocab_size": 1},
    "xlm-roberta": NO_DROPOUT | {"type_vocab_size": 1},
}


def tiny_encoder(family: str) -> PreTrainedModel:
    """Make a random encoder of two layers."""
    torch.manual_seed(0)
    return AutoModel.from_config(AutoConfig.for_model(family, **SHAPE, **FAMILIES[family]))


def tiny_model(
    folder: Path, *, family: str = "bert", cloze: dict[str, Any] | None = None, mlm: float = 0.5, **model: Any
) -> LabelMaskModel:
    """Save a tiny encoder to `folder` and build the dense part of a run from there."""
    tiny_encoder(family).save_pretrained(folder)
    settings = ModelSection.model_validate({"encoder": folder, "label_width": LABEL_WIDTH} | model)
    chosen = ClozeSection.model_validate({"slots": "shortlist", "context": "none"} | (cloze or {}))
    return LabelMaskModel(load_encoder(settings), settings, chosen, MlmSection(weight=mlm))


def some_texts() -> TextBatch:
    """Three texts of 7, 4 and 1 tokens, two of them masked, with a label for each but the second."""
    mask_BT = torch.arange(7) < torch.tensor([[7], [4], [1]])
    ids_BT = torch.where(mask_BT, torch.randint(4, VOCABULARY, mask_BT.shape), PAD)
    masked_BT = torch.zeros_like(mask_BT)
    masked_BT[0, 1] = masked_BT[1, 2] = True
    nothing = torch.empty(3, 0, dtype=torch.long)
    return TextBatch(
        ids_BT=ids_BT,
        originals_BT=ids_BT,
        masked_BT=masked_BT,
        mask_BT=mask_BT,
        weights_B=torch.ones(3),
        labels=torch.tensor([3, 5]),
        label_offsets=torch.tensor([0, 1, 1, 2]),
        revealed_BV=nothing,
        revealed_states_BV=nothing,
        excluded_BN=nothing,
    )


def some_slots(ids: list[list[int]], state: State) -> Slots:
    """Fill slots with random rows; an id of -1 is an empty slot, whose row is zero."""
    ids_BC = torch.tensor(ids, dtype=torch.long)
    rows_BCX = torch.randn(*ids_BC.shape, LABEL_WIDTH + 2, dtype=torch.float64) * (ids_BC >= 0)[..., None]
    return Slots(ids_BC, rows_BCX.requires_grad_(), torch.full_like(ids_BC, state))


def weighted(tensor: Tensor) -> Tensor:
    """Sum with fixed random weights: a loss that treats no element like another."""
    generator = torch.Generator().manual_seed(tensor.numel())
    return (tensor * torch.randn(tensor.shape, generator=generator, dtype=torch.float64)).sum()
