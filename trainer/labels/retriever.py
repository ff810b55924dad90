"""Retrieval of label candidates: all-gather queries, score all labels, merge the top K, and look up their rows.

The shortlist of a record holds the labels that the scan scores highest, in training too: its false ones are
hard negatives for the slots, mined in every step with the current parameters.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Self

import torch
from torch import Tensor

from ..data import State, TextBatch
from ..distributed import Ranks
from ..model.proposal import Normaliser, Proposal
from ..model.slots import Slots
from .gradient import RowGradientSink
from .lookup import RowLookup
from .pairs import LabelPairs
from .sampling import EXACT, Sampling
from .scan import ScanResult, ScanTask, scan
from .shortlist import findable, is_positive, merge_shortlists, missed, shuffled, slot_weights
from .table import LabelTable


@dataclass(frozen=True)
class LabelRetriever:
    """This rank's share of the label table and how it is searched. Stateless but for the table's rows.

    Attributes:
        table: This rank's rows.
        num_labels: Labels of all ranks.
        shortlist: K, candidates of a record.
        chunk: Rows that are scored at a time.
        ranks: Who shares the table.
        sampling: Which negatives the scan learns from.
        positive_weights_L: Weight of a positive of each label; None: 1, as a negative has.
        has_slots: Whether slots need rows; without, none are looked up for what is proposed.
        reads_context: Whether queries have seen the revealed labels, from which the scan then learns nothing; else
            slots see them.
        scans: Whether a scan finds the candidates.
    """

    table: LabelTable
    num_labels: int
    shortlist: int
    chunk: int
    ranks: Ranks
    sampling: Sampling = EXACT
    positive_weights_L: Tensor | None = None
    has_slots: bool = True
    reads_context: bool = False
    scans: bool = field(default=True, init=False)

    def with_table(self, table: LabelTable) -> Self:
        """Propose by other rows, of the same labels."""
        return replace(self, table=table)

    def look_up(self, ids: Tensor) -> RowLookup:
        """Fetch the rows of labels [...] from the ranks that own them; -1: no label. A collective."""
        return RowLookup.fetch(ids, self.num_labels, self.table, self.ranks)

    def rank_labels(self, batch: TextBatch, query_BE: Tensor, depth: int | None = None) -> tuple[Proposal, RowLookup]:
        """Retrieve candidates without learning: a shortlist, or so many as `depth` says. A collective."""
        side = self if depth is None else replace(self, shortlist=min(depth, self.num_labels))
        return side._propose(batch, query_BE, self._most_records(batch), None)  # noqa: SLF001  # itself

    def learn(
        self, batch: TextBatch, query_BE: Tensor, normaliser: Normaliser, sink: RowGradientSink, step: int
    ) -> tuple[Proposal, RowLookup]:
        """Retrieve candidates, and pass this rank's row gradients of the scan loss to `sink`. A collective.

        If a query of any rank is not finite, no row is touched and the loss of the scan is NaN, on all ranks alike.

        Args:
            batch: B records of this rank.
            query_BE: Their queries.
            normaliser: What the loss is divided by.
            sink: Takes the row gradients, chunk by chunk.
            step: The optimizer step, from 1 on: the key of the sampling.

        Returns:
            The candidates, with the loss and the gradient of the queries, and the lookup of their rows.
        """
        weights_L, most = self.positive_weights_L, self._most_records(batch)
        positives, ignored = (batch.label_records(), batch.labels), None
        if self.reads_context:
            positives, ignored = batch.open_labels(), self._all_pairs(most, *batch.revealed())
        task = ScanTask(
            positives=self._all_pairs(most, *positives),
            asked=self._all_pairs(most, *batch.forced()),
            weights_Q=self.ranks.gather(_lengthened(batch.weights_B, most)),
            normaliser=normaliser.records,
            sink=sink,
            positive_weights_R=weights_L if weights_L is None else weights_L[self.table.range.as_slice()],
            negatives=partial(self.sampling.weight, step),
            ignored=ignored,
        )
        return self._propose(batch, query_BE, most, task)

    def _most_records(self, batch: TextBatch) -> int:
        """Agree on the records of the rank that has most of them: what others gather is padded to as many."""
        own_1 = torch.tensor([len(batch.weights_B)], device=batch.weights_B.device)
        return int(self.ranks.gather(own_1).max())

    def _propose(
        self, batch: TextBatch, query_BE: Tensor, most: int, task: ScanTask | None
    ) -> tuple[Proposal, RowLookup]:
        queries_QE = self.ranks.gather(_lengthened(query_BE.to(self.table.dtype), most))
        found = self._scan(queries_QE, self._all_pairs(most, *batch.withheld()), task)
        merged = merge_shortlists(found.scores_QK, found.ids_QK, self.ranks)
        scores_BK, ids_BK = (part_BK[: len(query_BE)] for part_BK in merged)
        recalled = self._targets(batch, ids_BK).sum()
        if task is not None and found.asked_N is not None and batch.forced_BGA.numel():
            scores_BK, ids_BK = self._with_forced(batch, scores_BK, ids_BK, task.asked, found.asked_N, most)
        shown_BV = batch.revealed_BV[:, : 0 if self.reads_context else None]
        fetched = self.look_up(torch.cat([shown_BV, ids_BK], dim=1)[:, : None if self.has_slots else 0])
        return self._proposal(batch, scores_BK, ids_BK, found, fetched, recalled), fetched

    def _scan(self, queries_QE: Tensor, excluded: LabelPairs, task: ScanTask | None) -> ScanResult:
        with torch.autocast(queries_QE.device.type, enabled=False):  # rows and their scores stay fp32
            if bool(queries_QE.isfinite().all()):
                return scan(self.table, queries_QE, excluded, self.shortlist, self.chunk, task)
            found = scan(self.table, queries_QE.nan_to_num(), excluded, self.shortlist, self.chunk)
        return replace(found, loss=found.loss * torch.nan)

    def _all_pairs(self, most: int, record_N: Tensor, label_N: Tensor) -> LabelPairs:
        """Gather pairs (record, label) of all ranks; records become places among the gathered queries."""
        pairs = torch.stack([record_N + self.ranks.rank * most, label_N], dim=1)
        pairs = self.ranks.gather_ragged(pairs)
        return LabelPairs.ordered(pairs[:, 0], pairs[:, 1])

    def _with_forced(
        self, batch: TextBatch, scores_BK: Tensor, ids_BK: Tensor, asked: LabelPairs, own_N: Tensor, most: int
    ) -> tuple[Tensor, Tensor]:
        """Add labels that the batch asks about and the shortlist misses, with the scores that the scan gave them."""
        added_BA = missed(batch.forced_BGA, ids_BK)
        records_B1 = torch.arange(len(ids_BK), device=ids_BK.device)[:, None] + self.ranks.rank * most
        places_BA = asked.find(records_B1, added_BA, self.num_labels)
        scores_N = torch.cat([self.ranks.gather_ragged(own_N), own_N.new_tensor([-torch.inf])])
        scores = torch.cat([scores_BK, scores_N[places_BA.masked_fill(added_BA < 0, -1)]], dim=1)
        return shuffled(scores, torch.cat([ids_BK, added_BA], dim=1))

    def _targets(self, batch: TextBatch, ids_BK: Tensor) -> Tensor:
        return is_positive(ids_BK, batch.label_records(), batch.labels, self.num_labels)

    def _proposal(
        self,
        batch: TextBatch,
        scores_BK: Tensor,
        ids_BK: Tensor,
        found: ScanResult,
        fetched: RowLookup,
        recalled: Tensor,
    ) -> Proposal:
        num_revealed = 0 if self.reads_context else batch.revealed_BV.shape[1]
        gradient_WBE = self.ranks.exchange(
            found.query_gradient_QE.view(self.ranks.world_size, -1, found.query_gradient_QE.shape[1])
        )
        targets_BK = self._targets(batch, ids_BK)
        return Proposal(
            masked=Slots(ids_BK, fetched.rows[:, num_revealed:], torch.full_like(ids_BK, State.MASK)),
            scores_BK=scores_BK,
            targets_BK=targets_BK,
            revealed=Slots(
                batch.revealed_BV[:, :num_revealed],
                fetched.rows[:, :num_revealed],
                batch.revealed_states_BV[:, :num_revealed],
            ),
            recalled=recalled,
            findable=findable(batch, self.num_labels),
            loss=found.loss,
            query_gradient_BE=gradient_WBE.sum(dim=0)[: len(ids_BK)],
            weights_BK=slot_weights(self.positive_weights_L, ids_BK, targets_BK),
        )


def _lengthened(part: Tensor, length: int) -> Tensor:
    """Append zeros until a part [n, ...] has so many entries: a query that is made up weighs nothing."""
    return torch.cat([part, part.new_zeros(length - len(part), *part.shape[1:])])
