"""LM-MTC with prefix attention: masked label slots attend to a text that is encoded once, for the scan and MLM too.

Source of the label mask: Song et al., Label Mask for Multi-Label Text Classification (LM-MTC, arXiv:2106.10076), whose
one sequence of all labels and the text is `joint.py`; here labels see the text and the text does not see them, so that
labels can be any number and read in chunks.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..config import ClozeSection, MlmSection, ModelSection
from ..data import State, TextBatch
from ..losses import checkpointed_sum, fused_sum
from ..telemetry import Phase
from .encoder import TextEncoder
from .heads import MlmHead, QueryHead
from .prefix import Prefix
from .proposal import LabelPort, Losses, Normaliser, Proposal, Question
from .slots import SlotEmbedding, SlotReadout, Slots


class LabelContext(nn.Module):
    """Embeds revealed labels and one query slot, and turns the slot's final state into a part of the scan's query.

    A label token's input is a projection of the label's row from the query's space (E) into the encoder's input space
    (I), plus the embedding of its state. There is no second table of labels: what the encoder reads of a label moves
    with its row. The read-out starts at zero, so that training begins with the query of the text alone.
    """

    def __init__(self, width: int, label_width: int, embedding_width: int) -> None:
        super().__init__()
        self.project = nn.Linear(label_width, embedding_width)
        self.states = nn.Embedding(len(State), embedding_width)
        self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.output = nn.Linear(width, label_width)
        nn.init.normal_(self.states.weight, std=0.02)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def embed(self, revealed: Slots) -> tuple[Tensor, Tensor]:
        """Return label tokens and behind them the query slot: inputs [B, V + 1, I], and which are real [B, V + 1]."""
        labels_BVI = self.project(revealed.vectors_BCE) + self.states(revealed.states_BC)
        mask_B1 = torch.full_like(revealed.states_BC[:, :1], State.MASK)  # by the module: ZeRO-3 has weights in parts
        inputs_BCI = torch.cat([labels_BVI, self.states(mask_B1).to(labels_BVI)], dim=1)
        return inputs_BCI, torch.cat([revealed.mask_BC, torch.ones_like(mask_B1, dtype=torch.bool)], dim=1)

    def read_out(self, hidden_BD: Tensor, revealed: Slots) -> Tensor:
        """Return what the query slot adds to the query [B, E]: nothing, where a record reveals nothing."""
        return self.output(self.transform(hidden_BD)) * revealed.mask_BC.any(dim=1, keepdim=True)

    @torch.no_grad()
    def start(self, rows_NE: Tensor, inputs_NI: Tensor, mask_I: Tensor, ridge: float = 1e-2) -> None:
        """Initialise the projection so that labels look to the encoder like the words of their texts.

        The projection is the ridge regression from rows to the mean word embeddings of their texts; the query slot
        looks like the tokenizer's mask token.

        Args:
            rows_NE: Rows of labels.
            inputs_NI: Mean word embeddings of their texts.
            mask_I: Word embedding of the mask token.
            ridge: Strength of the regularisation.
        """
        design = torch.cat([rows_NE, rows_NE.new_ones(len(rows_NE), 1)], dim=1).double()
        normal = design.T @ design + ridge * torch.eye(design.shape[1], dtype=design.dtype, device=design.device)
        solved = torch.linalg.solve(normal, design.T @ inputs_NI.to(design))
        self.project.weight.copy_(solved[:-1].T)
        self.project.bias.copy_(solved[-1])
        self.states.weight[State.MASK] += mask_I.to(self.states.weight)


Clock = Callable[[Phase], AbstractContextManager[None]]


@dataclass(frozen=True)
class Text:
    """Encoded texts. Where revealed labels were read with the text, prefix and query have seen them.

    Attributes:
        hidden_BTD: Hidden states.
        prefix: Keys and values, for label slots.
        query_BE: For the scan.
    """

    hidden_BTD: Tensor
    prefix: Prefix
    query_BE: Tensor


class LabelMaskModel(nn.Module):
    """Every dense parameter of a run. Label rows are not here: they are in the label table, outside ZeRO.

    Args:
        encoder: Encoder of texts and slots.
        model: Settings of the model.
        cloze: Settings of slots and context.
        mlm: Settings of masked language modelling of the text.
        fused: How the loss is summed over chunks, see `losses/chunked.py`.
    """

    def __init__(
        self, encoder: TextEncoder, model: ModelSection, cloze: ClozeSection, mlm: MlmSection, *, fused: bool = True
    ) -> None:
        super().__init__()
        label_width = model.label_width or encoder.width
        self.encoder = encoder
        self.query = QueryHead(encoder.width, label_width, model.pooling) if cloze.scans else None
        self.mlm = MlmHead(encoder.width, encoder.word_embeddings) if mlm.weight > 0 else None
        self.context = (
            LabelContext(encoder.width, label_width, encoder.embedding_width) if cloze.reads_context else None
        )
        self.slots = SlotEmbedding(label_width, encoder.embedding_width) if cloze.has_slots else None
        silent = self.query is not None
        self.readout = SlotReadout(encoder.width, label_width, silent=silent) if cloze.has_slots else None
        self._joint_context = cloze.context == "joint"
        self._chunk, self._fused = cloze.chunk, fused
        self._own_pass, self._mlm_weight = mlm.own_pass, mlm.weight

    @property
    def has_slots(self) -> bool:
        """Whether labels have slots of their own; without slots and context this is a plain one-vs-all head."""
        return self.readout is not None

    @property
    def reads_context(self) -> bool:
        """Whether known labels are read before the scan."""
        return self.context is not None

    def read(self, batch: TextBatch, revealed: Slots | None = None) -> Text:
        """Encode a batch of texts once, for the scan, for every chunk of slots and for MLM.

        A record that reveals nothing is read as it is alone, whatever others of the batch reveal.

        Args:
            batch: B records.
            revealed: Known labels that are read with the texts; None: nothing.
        """
        ids_BT = batch.originals_BT if self._own_pass else batch.ids_BT
        if self.query is None:
            hidden_BTD, prefix = self.encoder.read(ids_BT, batch.mask_BT)
            return Text(hidden_BTD, prefix, hidden_BTD.new_empty(len(ids_BT), 0))
        if self.context is None or revealed is None or not revealed.ids_BC.shape[1]:
            hidden_BTD, prefix = self.encoder.read(ids_BT, batch.mask_BT)
            return Text(hidden_BTD, prefix, self.query(hidden_BTD, batch.mask_BT))
        labels_BCI, mask_BC = self.context.embed(revealed)
        if self._joint_context:
            hidden_BSD, prefix = self.encoder.read_with(ids_BT, batch.mask_BT, labels_BCI, mask_BC)
            hidden_BTD, slot_BD = hidden_BSD[:, : ids_BT.shape[1]], hidden_BSD[:, -1]
        else:
            hidden_BTD, prefix = self.encoder.read(ids_BT, batch.mask_BT)
            hidden_BCD, prefix = self.encoder.extend(prefix, labels_BCI, mask_BC, query_slot=True)
            slot_BD = hidden_BCD[:, -1]
        query_BE = self.query(hidden_BTD, batch.mask_BT) + self.context.read_out(slot_BD, revealed)
        return Text(hidden_BTD, prefix, query_BE)

    def fill(self, text: Text, masked: Slots, revealed: Slots) -> Tensor:
        """Cloze logits [B, K] of masked slots that see the text, the revealed slots and their own chunk."""
        prefix = self._context(text, revealed)
        return torch.cat([self._logits(prefix, chunk) for chunk in masked.chunks(self._chunk)], dim=1)

    def forward(
        self, batch: TextBatch, labels: LabelPort, normaliser: Normaliser, clock: Clock
    ) -> tuple[Losses, Proposal]:
        """Run one micro-step up to its losses."""
        with clock("text"):
            text = self.read(batch, labels.look_up(batch) if self.reads_context else None)
        with clock("scan"):
            proposal = labels.propose(text.query_BE.detach())
        with clock("cloze"):
            cloze = self._cloze_loss(text, proposal, batch.weights_B)
        with clock("text"):
            mlm = self._mlm_loss(text, batch)
        return Losses.of(text.query_BE, proposal, cloze, mlm, self._mlm_weight, normaliser), proposal

    def _context(self, text: Text, revealed: Slots) -> Prefix:
        """Lengthen the text's prefix by the revealed slots, if there are any and it has not read them already."""
        if self.reads_context or not revealed.ids_BC.shape[1]:
            return text.prefix
        return self._extend(text.prefix, revealed)[1]

    def _logits(self, prefix: Prefix, masked: Slots) -> Tensor:
        assert self.readout is not None
        return self.readout(self._extend(prefix, masked)[0], masked)

    def _extend(self, prefix: Prefix, slots: Slots) -> tuple[Tensor, Prefix]:
        assert self.slots is not None
        return self.encoder.extend(prefix, self.slots(slots), slots.mask_BC)

    def _cloze_loss(self, text: Text, proposal: Proposal, weights_B: Tensor) -> Tensor:
        if self.slots is None or self.readout is None:
            return text.query_BE.new_zeros(())
        prefix = self._context(text, proposal.revealed)
        chunks = Question.of(proposal, weights_B).chunks(self._chunk)
        rows_BKX = proposal.masked.rows_BCX

        def loss_of(chunk: Question, rows_BCX: Tensor, keys_and_values: Sequence[Tensor]) -> Tensor:
            slots = replace(chunk.slots, rows_BCX=rows_BCX)
            return chunk.loss(self._logits(prefix.with_tensors(keys_and_values), slots))

        if not self._fused:
            return checkpointed_sum(loss_of, chunks, rows_BKX, self._chunk, prefix.tensors)
        parameters = [parameter for part in (self.encoder, self.slots, self.readout) for parameter in part.parameters()]
        return fused_sum(loss_of, chunks, rows_BKX, self._chunk, prefix.tensors, parameters)

    def _mlm_loss(self, text: Text, batch: TextBatch) -> Tensor:
        if self.mlm is None:
            return text.query_BE.new_zeros(())
        hidden_BTD = self.encoder.read(batch.ids_BT, batch.mask_BT)[0] if self._own_pass else text.hidden_BTD
        return self.mlm.loss(hidden_BTD, batch)
