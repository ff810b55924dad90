"""The label side where every label has a slot: no retrieval, and every rank looks up all rows."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from sharding import ChunkPlan

from ..data import State, TextBatch
from ..distributed import Ranks
from ..model.proposal import Normaliser, Proposal
from ..model.slots import Slots
from .gradient import RowGradientSink
from .lookup import RowLookup
from .shortlist import findable, is_positive, slot_weights
from .table import LabelTable

MOST_LABELS = 32_768  # every step moves all rows to every rank, and their gradients back


@dataclass(frozen=True)
class AllSlots:
    """Proposes all labels but revealed and excluded ones, in the order of a plan.

    So slots that are cut into chunks of the plan's size are its chunks, whatever a record excludes.

    Attributes:
        table: This rank's rows.
        plan: The order of the slots.
        shortlist: How many labels an answer ranks.
        ranks: Who shares the table.
        positive_weights_L: Weight of a positive of each label; None: 1, as a negative has.
        scans: Whether a scan finds the candidates.
        has_slots: Whether they have slots.
    """

    table: LabelTable
    plan: ChunkPlan
    shortlist: int
    ranks: Ranks
    positive_weights_L: Tensor | None = None
    scans: bool = field(default=False, init=False)
    has_slots: bool = field(default=True, init=False)

    def with_table(self, table: LabelTable) -> Self:
        """Propose by other rows, of the same labels."""
        return replace(self, table=table)

    def look_up(self, ids: Tensor) -> RowLookup:
        """Fetch the rows of labels [...] from the ranks that own them; -1: no label. A collective."""
        return RowLookup.fetch(ids, len(self.plan), self.table, self.ranks)

    def rank_labels(self, batch: TextBatch, query_BE: Tensor, depth: int | None = None) -> tuple[Proposal, RowLookup]:
        """Propose all labels, with their rows, which are fetched once for all records. A collective."""
        labels_L = self._labels_L.to(batch.ids_BT.device)
        fetched = RowLookup.fetch(labels_L, len(self.plan), self.table, self.ranks)
        return self._proposal(batch, labels_L, fetched.rows), fetched

    def learn(
        self, batch: TextBatch, query_BE: Tensor, normaliser: Normaliser, sink: RowGradientSink, step: int
    ) -> tuple[Proposal, RowLookup]:
        """Propose all labels as `rank_labels` does: without a scan, rows learn from the cloze alone."""
        return self.rank_labels(batch, query_BE)

    @property
    def num_labels(self) -> int:
        """Count all labels."""
        return len(self.plan)

    @cached_property
    def _labels_L(self) -> Tensor:
        """The label of each slot."""
        return torch.tensor(self.plan.order)

    @cached_property
    def _places_L(self) -> Tensor:
        """The slot of each label."""
        return self._labels_L.argsort()

    def _proposal(self, batch: TextBatch, labels_L: Tensor, rows_LX: Tensor) -> Proposal:
        records, places_L = len(batch.weights_B), self._places_L.to(labels_L.device)
        ids_BL = labels_L.repeat(records, 1)
        record_N, label_N = batch.withheld()
        ids_BL[record_N, places_L[label_N]] = -1
        revealed_rows_BVX = rows_LX[places_L[batch.revealed_BV.clamp(min=0)]]
        targets_BL = is_positive(ids_BL, batch.label_records(), batch.labels, len(self.plan))
        return Proposal(
            masked=Slots(ids_BL, rows_LX[None], torch.full_like(ids_BL, State.MASK)),
            scores_BK=torch.zeros_like(ids_BL, dtype=rows_LX.dtype).masked_fill(ids_BL < 0, -torch.inf),
            targets_BK=targets_BL,
            revealed=Slots(batch.revealed_BV, revealed_rows_BVX, batch.revealed_states_BV),
            recalled=targets_BL.sum(),
            findable=findable(batch, len(self.plan)),
            loss=rows_LX.new_zeros(()),
            query_gradient_BE=rows_LX.new_zeros(records, 0),
            weights_BK=slot_weights(self.positive_weights_L, ids_BL, targets_BL),
        )
