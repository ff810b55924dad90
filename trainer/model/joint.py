"""LM-MTC as published: all labels, the text and its masks in one sequence where everything sees everything.

The label block stands before the text. A label is one token (its vector + its state) or three (start, state, end),
at consecutive positions, so that labels and text together end where the encoder's positions end.

Source: Song et al., Label Mask for Multi-Label Text Classification (arXiv:2106.10076).
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..config import ClozeSection, MlmSection, ModelSection
from ..data import TextBatch
from ..errors import ConfigError
from .encoder import TextEncoder
from .heads import MlmHead
from .label_mask import Clock
from .proposal import LabelPort, Losses, Normaliser, Proposal, Question
from .slots import SlotEmbedding, SlotReadout, Slots

LEAST_TEXT = 32  # tokens; what is shorter is hardly read


@dataclass(frozen=True)
class UnreadText:
    """A batch that is encoded later, together with its labels. There is no query to scan with."""

    batch: TextBatch

    @property
    def query_BE(self) -> Tensor:
        """No query: [B, 0]."""
        return self.batch.weights_B.new_empty(len(self.batch.weights_B), 0)


class JointModel(nn.Module):
    """Every dense parameter of a run with joint attention; it has the interface of LabelMaskModel."""

    has_slots = True
    reads_context = False

    def __init__(self, encoder: TextEncoder, model: ModelSection, cloze: ClozeSection, mlm: MlmSection) -> None:
        super().__init__()
        label_width = model.label_width or encoder.width
        self.encoder = encoder
        self.mlm = MlmHead(encoder.width, encoder.word_embeddings) if mlm.weight > 0 else None
        self.slots = SlotEmbedding(label_width, encoder.embedding_width)
        self.readout = SlotReadout(encoder.width, label_width, silent=False)
        self._mlm_weight, self._tokens = mlm.weight, cloze.label_tokens

    def read(self, batch: TextBatch, _revealed: Slots | None = None) -> UnreadText:
        """Return the batch unread: text and labels are encoded together, in `fill`."""
        return UnreadText(batch)

    def fill(self, text: UnreadText, masked: Slots, revealed: Slots) -> Tensor:
        """Cloze logits [B, L] of all labels."""
        return self._answer(text.batch, masked, revealed)[0]

    def forward(
        self, batch: TextBatch, labels: LabelPort, normaliser: Normaliser, clock: Clock
    ) -> tuple[Losses, Proposal]:
        """Run one micro-step up to its losses."""
        query_BE = self.read(batch).query_BE
        with clock("scan"):
            proposal = labels.propose(query_BE)
        with clock("cloze"):
            logits_BL, hidden_BTD = self._answer(batch, proposal.masked, proposal.revealed)
            cloze = Question.of(proposal, batch.weights_B).loss(logits_BL)
        with clock("text"):
            mlm = self.mlm.loss(hidden_BTD, batch) if self.mlm else cloze.new_zeros(())
        return Losses.of(query_BE, proposal, cloze, mlm, self._mlm_weight, normaliser), proposal

    def _answer(self, batch: TextBatch, masked: Slots, revealed: Slots) -> tuple[Tensor, Tensor]:
        """Return the labels' logits [B, L] and the text's hidden states [B, T, D]."""
        slots = _with_states(masked, revealed)
        labels_BSI = self._label_tokens(slots)
        size = labels_BSI.shape[1]
        words_BTI = self.encoder.word_embeddings(batch.ids_BT)
        mask_BS = torch.cat([batch.mask_BT.new_ones(labels_BSI.shape[:2]), batch.mask_BT], dim=1)
        hidden_BSD = self.encoder.read_joint(torch.cat([labels_BSI, words_BTI], dim=1), mask_BS, size)
        states_BLD = hidden_BSD[:, self._tokens // 2 : size : self._tokens]
        return self.readout(states_BLD, _first_vectors(slots, self._tokens)), hidden_BSD[:, size:]

    def _label_tokens(self, slots: Slots) -> Tensor:
        if self._tokens == 1:
            return self.slots(slots)
        start_BLE, end_BLE = slots.vectors_BCE.chunk(2, dim=-1)
        tokens = (self.slots.project(start_BLE), self.slots.states(slots.states_BC), self.slots.project(end_BLE))
        return torch.stack(torch.broadcast_tensors(*tokens), dim=2).flatten(1, 2)


def text_room(encoder: TextEncoder, num_labels: int, label_tokens: int) -> int:
    """Return how many tokens are left for a text; ConfigError when they are fewer than 32."""
    room = encoder.positions - num_labels * label_tokens
    if room < LEAST_TEXT:
        raise ConfigError(
            f"cloze.attention = 'joint': {num_labels} labels of {label_tokens} tokens leave {max(room, 0)} of the "
            f"encoder's {encoder.positions} positions for a text, which needs {LEAST_TEXT}: use 'prefix'"
        )
    return room


def _with_states(masked: Slots, revealed: Slots) -> Slots:
    """Let every label show its state in its own place, the revealed ones too."""
    states_BL = masked.states_BC.clone()
    record_N, column_N = revealed.mask_BC.nonzero(as_tuple=True)
    states_BL[record_N, revealed.ids_BC[record_N, column_N]] = revealed.states_BC[record_N, column_N]
    return replace(masked, states_BC=states_BL)


def _first_vectors(slots: Slots, label_tokens: int) -> Slots:
    """Keep what the read-out compares with: the row of the label, or of its start, and the biases."""
    if label_tokens == 1:
        return slots
    width = slots.vectors_BCE.shape[-1] // 2
    return replace(slots, rows_BCX=torch.cat([slots.rows_BCX[..., :width], slots.rows_BCX[..., -2:]], dim=-1))
