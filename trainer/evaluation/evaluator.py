"""Rank the labels of records with the model as it is: the text is read once, its candidates are scored once or more."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sharding import LabelFilter, RecordBatch

from ..data import TextBatch
from ..distributed import Ranks
from ..errors import ConfigError
from ..labels import Labels
from ..model import Model
from .ranking import RankingSums, ranking_sums
from .refinement import mask_predict


@dataclass(frozen=True)
class Ranked:
    """Candidates of B records, best first under each ranking: label ids [B, K] (-1: none) and logits [B, K]."""

    ids_BK: np.ndarray
    scores_BK: np.ndarray


@dataclass(frozen=True)
class Ranker:
    """Answers with the rankings that every evaluation reports: the scan's and, with a cloze, both together.

    `refine` is the number of mask-predict steps behind the cloze's first pass, in which all candidates are masked.
    `barred` names labels that are no candidates of a record, which then needs its id.
    """

    model: Model
    labels: Labels
    collate: Callable[[RecordBatch], TextBatch]
    device: torch.device
    refine: int = 0
    barred: LabelFilter | None = None

    def rank(self, records: RecordBatch, given: Sequence[Mapping[int, bool]] = ()) -> dict[str, Ranked]:
        """Rank one batch; the last ranking is the model's answer. A collective, with batches of one size.

        given: nothing, or what is known of each record: {label id: whether it is true}. Those labels are context for
        the others and never candidates. Raises ConfigError if that, or `refine`, is asked of a model without a cloze.
        """
        if (any(given) or self.refine) and not self.model.has_cloze:
            raise ConfigError("cloze.enabled = false: without label slots, no label can be given and no answer refined")
        batch = self.collate(records)
        if any(given):
            batch = batch.revealing(given)
        if self.barred:
            batch = batch.barring(self.barred.of(records.table["id"].to_pylist()))
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
            answer = "scan+cloze" if self.labels.scans else "cloze"
            scores[answer] = mask_predict(partial(self.model.fill, text), proposal, self.refine)
        return {name: self._best(proposal.masked.ids_BC, scores_BK) for name, scores_BK in scores.items()}

    def _best(self, ids_BK: Tensor, scores_BK: Tensor) -> Ranked:
        scores_BK = scores_BK.float()
        order_BK = scores_BK.argsort(dim=1, descending=True, stable=True)[:, : self.labels.shortlist]
        return Ranked(ids_BK.gather(1, order_BK).cpu().numpy(), scores_BK.gather(1, order_BK).cpu().numpy())


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
        return {name: reduce(add, parts).over_ranks(self.ranks).means() for name, parts in sums.items()}

    def _sums(self, records: RecordBatch, ranked: Ranked) -> RankingSums:
        labels, offsets = records.ragged("labels")
        return ranking_sums(ranked.ids_BK, labels, offsets, self.inverse_propensity_L, weights_B=records.weights)
