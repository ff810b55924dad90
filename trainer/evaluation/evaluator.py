"""Rank the labels of records with the model as it is: one pass, every slot masked but those of given labels."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sharding import RecordBatch

from ..data import TextBatch
from ..distributed import Ranks
from ..errors import ConfigError
from ..labels import Labels
from ..model import Model, Slots
from .ranking import RankingSums, ranking_sums


@dataclass(frozen=True)
class Ranked:
    """Candidates of B records, best first under each ranking: label ids [B, K] (-1: none) and logits [B, K]."""

    ids_BK: np.ndarray
    scores_BK: np.ndarray


@dataclass(frozen=True)
class Ranker:
    """Answers with the rankings that every evaluation reports: the scan's, and the one with the cloze."""

    model: Model
    labels: Labels
    collate: Callable[[RecordBatch], TextBatch]
    device: torch.device

    def rank(self, records: RecordBatch, given: Sequence[Mapping[int, bool]] = ()) -> dict[str, Ranked]:
        """Rank one batch; the last ranking is the model's answer. A collective, with batches of one size.

        given: nothing, or what is known of each record: {label id: whether it is true}. Those labels are context for
        the others and never candidates; ConfigError if there is no cloze to look at them.
        """
        if any(given) and not self.model.has_cloze:
            raise ConfigError("cloze.enabled = false: a run without label slots cannot make use of given labels")
        batch = self.collate(records)
        if any(given):
            batch = batch.revealing(given)
        was_training = self.model.training
        self.model.eval()
        with torch.no_grad():
            rankings = self._rank(batch.to(self.device))
        self.model.train(was_training)
        return rankings

    def _rank(self, batch: TextBatch) -> dict[str, Ranked]:
        text: Any = self.model.read(batch)  # what one form of the model reads, only that form can fill
        proposal, _ = self.labels.rank_labels(batch, text.query_BE)
        scores = {"scan": proposal.scores_BK} if self.labels.scans else {}
        if self.model.has_cloze:
            cloze_BK = self.model.fill(text, proposal.masked, proposal.revealed)
            scores["scan+cloze" if self.labels.scans else "cloze"] = proposal.scores_BK + cloze_BK
        return {name: self._best(proposal.masked, scores_BK) for name, scores_BK in scores.items()}

    def _best(self, masked: Slots, scores_BK: Tensor) -> Ranked:
        scores_BK = scores_BK.float().masked_fill(~masked.mask_BC, -torch.inf)
        order_BK = scores_BK.argsort(dim=1, descending=True, stable=True)[:, : self.labels.shortlist]
        ids_BK, scores_BK = masked.ids_BC.gather(1, order_BK), scores_BK.gather(1, order_BK)
        return Ranked(ids_BK.cpu().numpy(), scores_BK.cpu().numpy())


@dataclass(frozen=True)
class Evaluator:
    """Adds the ranking metrics of batches up over all ranks."""

    ranker: Ranker
    inverse_propensity_L: np.ndarray
    ranks: Ranks

    def __call__(self, batches: Iterable[RecordBatch]) -> dict[str, dict[str, float]]:
        """Return {ranking: {metric: value}}, the same on every rank. A collective."""
        sums: dict[str, list[RankingSums]] = defaultdict(list)
        for records in batches:
            for name, ranked in self.ranker.rank(records).items():
                sums[name].append(self._sums(records, ranked))
        return {name: self._over_ranks(reduce(add, parts)).means() for name, parts in sums.items()}

    def _sums(self, records: RecordBatch, ranked: Ranked) -> RankingSums:
        labels, offsets = records.ragged("labels")
        return ranking_sums(ranked.ids_BK, labels, offsets, self.inverse_propensity_L, weights_B=records.weights)

    def _over_ranks(self, sums: RankingSums) -> RankingSums:
        vector = torch.from_numpy(sums.as_vector()).to(self.ranker.device)
        return RankingSums.from_vector(self.ranks.sum(vector).cpu().numpy())
