"""The evaluator that runs beside training: ranking metrics of a split, summed over ranks."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from sharding import RecordBatch

from ..distributed import Ranks
from .ranker import Ranked, Ranker
from .ranking import RankingSums, ranking_sums


@dataclass(frozen=True)
class Evaluator:
    """Computes the ranking metrics of batches over all ranks.

    Attributes:
        ranker: The model as it is.
        inverse_propensity_L: Inverse propensity of each label, see `inverse_propensity`.
        ranks: Who takes part.
    """

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
