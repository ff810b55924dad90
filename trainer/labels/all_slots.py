"""The label side of a step where every label has a slot: nothing is scanned, and every rank borrows all rows."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..data import State, TextBatch
from ..distributed import Ranks
from ..model.proposal import Normaliser, Proposal
from ..model.slots import Slots
from .gradient import RowGradientSink
from .routing import Fetched
from .shortlist import is_positive
from .table import LabelTable

MOST_LABELS = 32_768  # every step moves all rows to every rank, and their gradients back


@dataclass(frozen=True)
class AllSlots:
    """Proposes all labels but revealed and barred ones, ordered by id; `shortlist`: how many an answer ranks."""

    scans: ClassVar[bool] = False

    table: LabelTable
    num_labels: int
    shortlist: int
    ranks: Ranks

    def rank_labels(self, batch: TextBatch, _query_BE: Tensor) -> tuple[Proposal, Fetched]:
        """Lend the rows of all labels, once for all records."""
        ids_L = torch.arange(self.num_labels, device=batch.ids_BT.device)
        fetched = Fetched.fetch(ids_L, self.num_labels, self.table, self.ranks)
        return self._proposal(batch, ids_L, fetched.rows), fetched

    def learn(
        self, batch: TextBatch, query_BE: Tensor, _normaliser: Normaliser, _sink: RowGradientSink, _step: int
    ) -> tuple[Proposal, Fetched]:
        """Do the same: without a scan, rows learn from the cloze alone."""
        return self.rank_labels(batch, query_BE)

    def _proposal(self, batch: TextBatch, ids_L: Tensor, rows_LX: Tensor) -> Proposal:
        records = len(batch.weights_B)
        ids_BL = ids_L.repeat(records, 1)
        ids_BL[batch.excluded()] = -1
        revealed_rows_BVX = rows_LX[batch.revealed_BV.clamp(min=0)]
        targets_BL = is_positive(ids_BL, batch.label_records(), batch.labels, self.num_labels)
        return Proposal(
            masked=Slots(ids_BL, rows_LX[None], torch.full_like(ids_BL, State.MASK)),
            scores_BK=torch.zeros_like(ids_BL, dtype=rows_LX.dtype).masked_fill(ids_BL < 0, -torch.inf),
            targets_BK=targets_BL,
            revealed=Slots(batch.revealed_BV, revealed_rows_BVX, batch.revealed_states_BV),
            recalled=targets_BL.sum(),
            loss=rows_LX.new_zeros(()),
            query_gradient_BE=rows_LX.new_zeros(records, 0),
        )
