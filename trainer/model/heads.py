"""Heads over the text's hidden states: the query of the scan, and masked language modelling."""

from typing import Literal

import torch
from torch import Tensor, nn

from ..data import TextBatch
from ..losses import masked_token_loss


class QueryHead(nn.Module):
    """Pool a text into one query of the label table's width."""

    def __init__(self, width: int, label_width: int, pooling: Literal["mean", "first"]) -> None:
        super().__init__()
        self.pooling: Literal["mean", "first"] = pooling
        self.project = nn.Linear(width, label_width)

    def forward(self, hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Return [B, E]."""
        return self.project(pool(hidden_BTD, mask_BT, self.pooling))


def pool(hidden_BTD: Tensor, mask_BT: Tensor, pooling: Literal["mean", "first"]) -> Tensor:
    """Make one vector of a text's hidden states: [B, D]."""
    if pooling == "first":
        return hidden_BTD[:, 0]
    share_BT1 = (mask_BT / mask_BT.sum(dim=1, keepdim=True)).unsqueeze(-1)
    return (hidden_BTD * share_BT1).sum(dim=1)


class MlmHead(nn.Module):
    """Name the masked tokens; the decoder's weight is the encoder's own word embedding."""

    def __init__(self, width: int, words: nn.Embedding) -> None:
        super().__init__()
        vocabulary, embedding_width = words.weight.shape
        self.transform = nn.Sequential(nn.Linear(width, embedding_width), nn.GELU(), nn.LayerNorm(embedding_width))
        self.decoder = nn.Linear(embedding_width, vocabulary, device="meta")  # a weight of its own would be thrown away
        self.decoder.weight = words.weight
        self.decoder.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, hidden_MD: Tensor) -> Tensor:
        """Return logits [M, vocabulary] of M masked positions; only those are decoded."""
        return self.decoder(self.transform(hidden_MD))

    def loss(self, hidden_BTD: Tensor, batch: TextBatch) -> Tensor:
        """Sum over masked tokens; of none it is a zero that still touches every parameter of the head."""
        places_M = batch.masked_BT.flatten().nonzero().squeeze(1)  # found once: a GPU is waited for each time
        return masked_token_loss(self(hidden_BTD.flatten(0, 1)[places_M]), batch.originals_BT.flatten()[places_M])
