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
from .shortlist import bring_home, findable, is_positive, missed, shuffled, slot_weights
from .table import LabelTable

Pairs = tuple[Tensor, Tensor]  # records [N] of this rank, and labels [N]; -1: none


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
        most, (withheld,) = side._share(batch, _withheld(batch))  # noqa: SLF001  # itself
        queries_QE = self.ranks.gather(_lengthened(query_BE.to(self.table.dtype), most))
        return side._propose(batch, queries_QE, most, withheld, None)  # noqa: SLF001  # itself

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
        weights_L, reads = self.positive_weights_L, self.reads_context
        kinds = [_withheld(batch), _positives(batch, but_revealed=reads), _forced(batch)]
        most, (withheld, positives, asked, *ignored) = self._share(
            batch, *kinds, *([_pairs(batch.revealed_BV)] if reads else [])
        )
        sent_BX = torch.cat([query_BE.to(self.table.dtype), batch.weights_B[:, None].to(self.table.dtype)], dim=1)
        sent_QX = self.ranks.gather(_lengthened(sent_BX, most))
        task = ScanTask(
            positives=positives,
            asked=asked,
            weights_Q=sent_QX[:, -1],
            normaliser=normaliser.records,
            sink=sink,
            positive_weights_R=weights_L if weights_L is None else weights_L[self.table.range.as_slice()],
            negatives=partial(self.sampling.weight, step),
            ignored=ignored[0] if ignored else None,
        )
        return self._propose(batch, sent_QX[:, :-1].contiguous(), most, withheld, task)

    def _share(self, batch: TextBatch, *kinds: Pairs) -> tuple[int, list[LabelPairs]]:
        """Gather several kinds of pairs (record, label) of all ranks at once; label -1: none. A collective.

        Returns:
            The records of the rank that has most of them, to which others lengthen what they gather; and the pairs of
            each kind, with places among the gathered queries for records.
        """
        sizes = [len(batch.weights_B), *(len(label_N) for _, label_N in kinds)]
        sizes_WK = [sizes]
        if self.ranks.world_size > 1:
            device = batch.weights_B.device
            sizes_WK = self.ranks.gather(torch.tensor([sizes]).to(device, non_blocking=True)).tolist()
        most = max(each[0] for each in sizes_WK)
        own_2N = torch.stack([torch.cat(parts) for parts in zip(*kinds, strict=True)])
        longest = max(sum(each[1:]) for each in sizes_WK)
        all_WN2 = self.ranks.gather(_lengthened(own_2N.T.int(), longest)).view(len(sizes_WK), longest, 2)
        found: list[list[Tensor]] = [[] for _ in kinds]
        for rank, (_, *lengths) in enumerate(sizes_WK):
            for kind, part_N2 in zip(found, all_WN2[rank, : sum(lengths)].split(lengths), strict=True):
                kind.append(torch.stack([part_N2[:, 0] + rank * most, part_N2[:, 1]]))
        pairs = [torch.cat(parts, dim=1).long() for parts in found]
        return most, [LabelPairs.ordered(*each) for each in pairs]

    def _propose(
        self, batch: TextBatch, queries_QE: Tensor, most: int, withheld: LabelPairs, task: ScanTask | None
    ) -> tuple[Proposal, RowLookup]:
        found = self._scan(queries_QE, withheld, task)
        brought = bring_home(found.scores_QK, found.ids_QK, found.query_gradient_QE, self.ranks)
        scores_BK, ids_BK, gradient_BE = (part[: len(batch.weights_B)] for part in brought)
        recalled = self._targets(batch, ids_BK).sum()
        if task is not None and found.asked_N is not None and batch.forced_BGA.numel():
            scores_BK, ids_BK = self._with_forced(batch, scores_BK, ids_BK, task.asked, found.asked_N, most)
        shown_BV = batch.revealed_BV[:, : 0 if self.reads_context else None]
        wanted = torch.cat([shown_BV, ids_BK], dim=1)
        fetched = self.look_up(wanted) if self.has_slots else RowLookup.nothing(wanted[:, :0], self.table)
        return self._proposal(
            batch, scores_BK, ids_BK, replace(found, query_gradient_QE=gradient_BE), fetched, recalled
        ), fetched

    def _scan(self, queries_QE: Tensor, excluded: LabelPairs, task: ScanTask | None) -> ScanResult:
        with torch.autocast(queries_QE.device.type, enabled=False):  # rows and their scores stay fp32
            if bool(queries_QE.isfinite().all()):
                return scan(self.table, queries_QE, excluded, self.shortlist, self.chunk, task)
            found = scan(self.table, queries_QE.nan_to_num(), excluded, self.shortlist, self.chunk)
        return replace(found, loss=found.loss * torch.nan)

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
            query_gradient_BE=found.query_gradient_QE,
            weights_BK=slot_weights(self.positive_weights_L, ids_BK, targets_BK),
        )


def _lengthened(part: Tensor, length: int) -> Tensor:
    """Append zeros until a part [n, ...] has so many entries: a query that is made up weighs nothing."""
    return torch.cat([part, part.new_zeros(length - len(part), *part.shape[1:])])


def _pairs(labels_BV: Tensor) -> Pairs:
    """Pair records with their labels, empty places too: how many are not empty, a GPU would have to be asked."""
    records_B1 = torch.arange(len(labels_BV), device=labels_BV.device)[:, None]
    return records_B1.expand_as(labels_BV).flatten(), labels_BV.flatten()


def _withheld(batch: TextBatch) -> Pairs:
    """Pair records with what is no candidate of theirs."""
    return _pairs(torch.cat([batch.revealed_BV, batch.excluded_BN], dim=1))


def _positives(batch: TextBatch, *, but_revealed: bool) -> Pairs:
    """Pair records with their true labels; those that are revealed may be left out."""
    record_N, label_N = batch.label_records(), batch.labels
    if but_revealed:
        label_N = label_N.masked_fill((batch.revealed_BV[record_N] == label_N[:, None]).any(dim=1), -1)
    return record_N, label_N


def _forced(batch: TextBatch) -> Pairs:
    """Pair records with forced candidates, of which there are none in most runs."""
    return batch.forced() if batch.forced_BGA.numel() else (batch.labels[:0], batch.labels[:0])
