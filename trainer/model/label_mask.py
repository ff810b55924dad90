"""LM-MTC: a cloze over text and labels that shares one encoder with the scan's query and with text MLM."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..config import ClozeSection, ModelSection
from ..data import TextBatch
from ..losses import masked_token_loss, slot_loss
from ..telemetry import Phase
from .encoder import TextEncoder
from .heads import MlmHead, QueryHead
from .prefix import Prefix
from .slots import SlotEmbedding, SlotReadout, Slots

Clock = Callable[[Phase], AbstractContextManager[None]]


@dataclass(frozen=True)
class Text:
    """Encoded texts: hidden states [B, T, D], the prefix for label slots, and one query each [B, E]."""

    hidden_BTD: Tensor
    prefix: Prefix
    query_BE: Tensor


@dataclass(frozen=True)
class Proposal:
    """What the scan hands back for a batch of queries.

    `masked` are the candidates, `scores_BK` their scan logits; `revealed` are known labels shown as context.
    `query_gradient_BE` is the gradient of the scan loss, already divided by the normaliser.
    """

    masked: Slots
    scores_BK: Tensor
    targets_BK: Tensor
    revealed: Slots
    loss: Tensor
    query_gradient_BE: Tensor


@dataclass(frozen=True)
class Losses:
    """The terms of one micro-step. `total` is for backward alone; the others are shares of the step's mean loss."""

    total: Tensor
    scan: Tensor
    cloze: Tensor
    mlm: Tensor


@dataclass(frozen=True)
class Normaliser:
    """Counts over all ranks and micro-steps of an optimizer step, and W * accumulation, which DeepSpeed divides by."""

    records: float
    masked_tokens: float
    averaged_over: int


class LabelMaskModel(nn.Module):
    """Every dense parameter of a run. Label rows are not here: they live in the label table, outside ZeRO."""

    def __init__(self, encoder: TextEncoder, model: ModelSection, cloze: ClozeSection, mlm_weight: float) -> None:
        super().__init__()
        label_width = model.label_width or encoder.width
        self.encoder = encoder
        self.query = QueryHead(encoder.width, label_width, model.pooling)
        self.mlm = MlmHead(encoder.word_embeddings) if mlm_weight > 0 else None
        self.slots = SlotEmbedding(label_width, encoder.width) if cloze.enabled else None
        self.readout = SlotReadout(encoder.width, label_width) if cloze.enabled else None
        self._chunk = cloze.chunk
        self._mlm_weight = mlm_weight

    @property
    def has_cloze(self) -> bool:
        """Whether there are label slots; without them this is a plain one-vs-all head."""
        return self.readout is not None

    def read(self, batch: TextBatch) -> Text:
        """Encode a batch of texts once, for the scan, for every chunk of slots and for MLM."""
        hidden_BTD, prefix = self.encoder.read(batch.ids_BT, batch.mask_BT)
        return Text(hidden_BTD, prefix, self.query(hidden_BTD, batch.mask_BT))

    def fill(self, text: Text, masked: Slots, revealed: Slots) -> Tensor:
        """Cloze logits [B, K] of masked slots that see the text, the revealed slots and their own chunk."""
        assert self.slots is not None
        prefix = text.prefix
        if revealed.ids_BC.shape[1]:
            _, prefix = self.encoder.extend(prefix, self.slots(revealed), revealed.mask_BC)
        chunks = masked.chunks(self._chunk)
        if len(chunks) == 1 or not torch.is_grad_enabled():
            return torch.cat([self._chunk_logits(prefix, chunk) for chunk in chunks], dim=1)
        return torch.cat(
            [checkpoint(self._chunk_logits, prefix, chunk, use_reentrant=False) for chunk in chunks], dim=1
        )

    def forward(
        self, batch: TextBatch, propose: Callable[[Tensor], Proposal], normaliser: Normaliser, clock: Clock
    ) -> tuple[Losses, Proposal]:
        """Run one micro-step up to its losses. `propose` scans all labels for the queries it is given."""
        with clock("text"):
            text = self.read(batch)
        with clock("scan"):
            proposal = propose(text.query_BE.detach())
        scale = normaliser.averaged_over
        scan_term = (text.query_BE * proposal.query_gradient_BE).sum() * scale
        with clock("cloze"):
            cloze = self._cloze_loss(text, batch, proposal) / normaliser.records
        mlm = self._mlm_loss(text, batch) / max(normaliser.masked_tokens, 1)
        total = scan_term + (cloze + self._mlm_weight * mlm) * scale
        return Losses(total, proposal.loss, cloze.detach(), mlm.detach()), proposal

    def _chunk_logits(self, prefix: Prefix, chunk: Slots) -> Tensor:
        assert self.slots is not None
        assert self.readout is not None
        hidden_BCD, _ = self.encoder.extend(prefix, self.slots(chunk), chunk.mask_BC)
        return self.readout(hidden_BCD, chunk)

    def _cloze_loss(self, text: Text, batch: TextBatch, proposal: Proposal) -> Tensor:
        """Score as prediction will: scan logit + cloze logit, the scan's part held fixed."""
        if self.readout is None:
            return text.query_BE.new_zeros(())
        weights_BK = proposal.masked.mask_BC * batch.weights_B[:, None]
        scores_BK = proposal.scores_BK.masked_fill(~proposal.masked.mask_BC, 0)
        logits_BK = scores_BK + self.fill(text, proposal.masked, proposal.revealed)
        return slot_loss(logits_BK, proposal.targets_BK, weights_BK)

    def _mlm_loss(self, text: Text, batch: TextBatch) -> Tensor:
        """Sum over masked tokens; of none it is a zero that still touches every parameter of the head."""
        if self.mlm is None:
            return text.query_BE.new_zeros(())
        hidden_MD = text.hidden_BTD[batch.masked_BT]
        return masked_token_loss(self.mlm(hidden_MD), batch.originals_BT[batch.masked_BT])
