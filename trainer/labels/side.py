"""The label side of a step: gather queries, scan, merge shortlists, and fetch the rows of what was found."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from ..data import State, TextBatch
from ..distributed import Ranks
from ..model.proposal import Normaliser, Proposal
from ..model.slots import Slots
from .routing import Fetched
from .scan import LabelPairs, RowGradientSink, ScanResult, ScanTask, scan
from .shortlist import is_positive, merge_shortlists
from .table import LabelTable


@dataclass(frozen=True)
class LabelSide:
    """This rank's share of the label table and how it is searched. Stateless but for the table's rows."""

    scans: ClassVar[bool] = True

    table: LabelTable
    num_labels: int
    shortlist: int
    chunk: int
    ranks: Ranks

    def rank_labels(self, batch: TextBatch, query_BE: Tensor) -> tuple[Proposal, Fetched]:
        """Propose candidates without learning anything."""
        return self._propose(batch, query_BE, None)

    def learn(
        self, batch: TextBatch, query_BE: Tensor, normaliser: Normaliser, sink: RowGradientSink
    ) -> tuple[Proposal, Fetched]:
        """Propose candidates and hand this rank's row gradients of the scan loss to `sink`.

        If a query of any rank is not finite, no row is touched and the loss of the scan is NaN, on all ranks alike.
        """
        weights_Q = self.ranks.gather(batch.weights_B)
        positives = self._all_pairs(batch.label_records(), batch.labels, len(batch.weights_B))
        return self._propose(batch, query_BE, ScanTask(positives, weights_Q, normaliser.records, sink))

    def _propose(self, batch: TextBatch, query_BE: Tensor, task: ScanTask | None) -> tuple[Proposal, Fetched]:
        queries_QE = self.ranks.gather(query_BE.float())
        found = self._scan(queries_QE, self._excluded(batch), task)
        scores_BK, ids_BK = merge_shortlists(found.scores_QK, found.ids_QK, self.ranks)
        wanted = torch.cat([batch.revealed_BV, ids_BK], dim=1)
        fetched = Fetched.fetch(wanted, self.num_labels, self.table, self.ranks)
        return self._proposal(batch, scores_BK, ids_BK, found, fetched), fetched

    def _scan(self, queries_QE: Tensor, excluded: LabelPairs, task: ScanTask | None) -> ScanResult:
        with torch.autocast(queries_QE.device.type, enabled=False):  # rows and their scores stay fp32
            if bool(queries_QE.isfinite().all()):
                return scan(self.table, queries_QE, excluded, self.shortlist, self.chunk, task)
            found = scan(self.table, queries_QE.nan_to_num(), excluded, self.shortlist, self.chunk)
        return replace(found, loss=found.loss * torch.nan)

    def _excluded(self, batch: TextBatch) -> LabelPairs:
        """Revealed and barred labels never enter their record's shortlist."""
        return self._all_pairs(*batch.excluded(), len(batch.weights_B))

    def _all_pairs(self, record_N: Tensor, label_N: Tensor, batch_size: int) -> LabelPairs:
        """Gather pairs (record, label) of all ranks; records become places among the gathered queries."""
        pairs = torch.stack([record_N + self.ranks.rank * batch_size, label_N], dim=1)
        pairs = self.ranks.gather_ragged(pairs)
        return LabelPairs.ordered(pairs[:, 0], pairs[:, 1])

    def _proposal(
        self, batch: TextBatch, scores_BK: Tensor, ids_BK: Tensor, found: ScanResult, fetched: Fetched
    ) -> Proposal:
        num_revealed = batch.revealed_BV.shape[1]
        masked = Slots(ids_BK, fetched.rows[:, num_revealed:], torch.full_like(ids_BK, State.MASK))
        revealed = Slots(batch.revealed_BV, fetched.rows[:, :num_revealed], batch.revealed_states_BV)
        gradient_WBE = self.ranks.exchange(
            found.query_gradient_QE.view(self.ranks.world_size, -1, found.query_gradient_QE.shape[1])
        )
        return Proposal(
            masked=masked,
            scores_BK=scores_BK,
            targets_BK=is_positive(ids_BK, batch.label_records(), batch.labels, self.num_labels),
            revealed=revealed,
            loss=found.loss,
            query_gradient_BE=gradient_WBE.sum(dim=0),
        )
