"""Ranking metrics of extreme classification, kept as sums that add up over batches and ranks.

True labels are ragged: record b owns label_values[label_offsets[b] : label_offsets[b + 1]], each label once.
Candidates are ids_BK, best first; -1 stands for no candidate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ..distributed import Ranks

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
Bools = npt.NDArray[np.bool_]

KS = (1, 3, 5)


@dataclass(frozen=True, eq=False)
class RankingSums:
    """Weighted sums over records; `a + b` joins two sets of records that share `ks`.

    Attributes:
        ks: Depths of the metrics.
        records: Records with a true label; only these count in all that follows.
        unlabelled: Records without one.
        true_labels: Their true labels.
        found: Those among the candidates.
        precision: float64, one sum for each k, as all below.
        recall: Likewise.
        ndcg: Likewise.
        propensity: Inverse propensities of the hits.
        ideal_propensity: What the best possible ranking reaches.
    """

    ks: tuple[int, ...]
    records: float
    unlabelled: float
    true_labels: float
    found: float
    precision: Floats
    recall: Floats
    ndcg: Floats
    propensity: Floats
    ideal_propensity: Floats

    @classmethod
    def zeros(cls, ks: tuple[int, ...] = KS) -> "RankingSums":
        """Return empty sums."""
        return cls.from_vector(np.zeros(4 + 5 * len(ks)), ks)

    @classmethod
    def from_vector(cls, vector: Floats, ks: tuple[int, ...] = KS) -> "RankingSums":
        """Rebuild what `as_vector` made, for example after an all-reduce."""
        records, unlabelled, true_labels, found = vector[:4].tolist()
        return cls(ks, records, unlabelled, true_labels, found, *vector[4:].reshape(5, len(ks)))

    def as_vector(self) -> npt.NDArray[np.float64]:
        """Lay all sums out as one float64 vector of length 4 + 5 * len(ks)."""
        counts = [self.records, self.unlabelled, self.true_labels, self.found]
        at_k = [self.precision, self.recall, self.ndcg, self.propensity, self.ideal_propensity]
        return np.concatenate([counts, *at_k])

    def over_ranks(self, ranks: Ranks) -> "RankingSums":
        """Sum over all ranks. A collective."""
        return RankingSums.from_vector(ranks.sum(torch.from_numpy(self.as_vector())).numpy(), self.ks)

    def __add__(self, other: "RankingSums") -> "RankingSums":
        return RankingSums.from_vector(self.as_vector() + other.as_vector(), self.ks)

    def means(self) -> dict[str, float]:
        """Return P@k, R@k, nDCG@k and PSP@k for each k, and recall@K over all candidates; NaN without records."""
        with np.errstate(invalid="ignore"):
            at_k = {
                "P": self.precision / self.records,
                "R": self.recall / self.records,
                "nDCG": self.ndcg / self.records,
                "PSP": self.propensity / self.ideal_propensity,
            }
            recall = float(np.divide(self.found, self.true_labels))
        means = {f"{name}@{k}": float(mean) for name, row in at_k.items() for k, mean in zip(self.ks, row, strict=True)}
        return means | {"recall@K": recall}


def ranking_sums(
    ranked_ids_BK: Ints,
    label_values: Ints,
    label_offsets: Ints,
    inverse_propensity_L: Floats,
    *,
    weights_B: Floats,
    ks: Sequence[int] = KS,
) -> RankingSums:
    """Sum the ranking metrics of B rankings of K candidates.

    P@k is hits / k, R@k hits / true labels. nDCG@k has binary gains, discount 1 / log2(rank + 1), and is relative to
    min(k, true labels) hits in front. PSP@k (propensity-scored precision; Jain, Prabhu, Varma, KDD 2016) is the ratio
    of two sums over the data set: the inverse propensities of the hits, and those of the k true labels that have the
    largest.

    Args:
        ranked_ids_BK: Candidates, best first; -1: none.
        label_values: True labels of all records behind each other.
        label_offsets: [B + 1].
        inverse_propensity_L: Inverse propensity of each label.
        weights_B: 0 for padding records.
        ks: Depths k of the metrics.
    """
    true_B = np.diff(label_offsets)
    weights_B = weights_B.astype(np.float64)
    counted_B = weights_B * (true_B > 0)
    hits_BK = candidate_hits(ranked_ids_BK, label_values, label_offsets, len(inverse_propensity_L))
    gains_BK = hits_BK * counted_B[:, None]
    inverse_BK = np.where(hits_BK, inverse_propensity_L[ranked_ids_BK], 0.0)
    best_inverse = _largest_first(inverse_propensity_L[label_values], label_offsets, counted_B)
    gains_K, inverse_K = gains_BK.sum(axis=0), (gains_BK * inverse_BK).sum(axis=0)
    recall_K = (gains_BK / np.maximum(true_B, 1)[:, None]).sum(axis=0)
    return RankingSums(
        ks=tuple(ks),
        records=float(counted_B.sum()),
        unlabelled=float(weights_B.sum() - counted_B.sum()),
        true_labels=float(counted_B @ true_B),
        found=float(gains_K.sum()),
        precision=np.array([gains_K[:k].sum() / k for k in ks]),
        recall=np.array([recall_K[:k].sum() for k in ks]),
        ndcg=np.array([_ndcg_sum(gains_BK, true_B, k) for k in ks]),
        propensity=np.array([inverse_K[:k].sum() for k in ks]),
        ideal_propensity=np.array([best_inverse[:k].sum() for k in ks]),
    )


def candidate_hits(ids_BK: Ints, label_values: Ints, label_offsets: Ints, num_labels: int) -> Bools:
    """Tell which of the candidates are true labels of their record: bool, [B, K]."""
    true_keys = record_of_value(label_offsets) * num_labels + label_values
    candidate_keys_BK = np.arange(len(ids_BK))[:, None] * num_labels + ids_BK
    return np.isin(candidate_keys_BK, true_keys) & (ids_BK >= 0)


def record_of_value(label_offsets: Ints) -> Ints:
    """Name the record of each true label: int64, as many as there are label values."""
    counts_B = np.diff(label_offsets)
    return np.repeat(np.arange(len(counts_B)), counts_B)


def inverse_propensity(counts_L: Ints, num_records: int, a: float = 0.55, b: float = 1.5) -> npt.NDArray[np.float64]:
    """Weigh labels by how likely a true one is missing: 1 + C (N_l + b)^-a with C = (ln N - 1) (b + 1)^a, float64.

    Source: Jain, Prabhu, Varma, Extreme Multi-label Loss Functions for Recommendation, Tagging, Ranking & Other Missing
    Label Applications, KDD 2016; a and b are its values for most data sets.

    Args:
        counts_L: Training records of each label, N_l.
        num_records: All training records, N, at least 3.
        a: Parameter of the model, see above.
        b: Likewise.
    """
    c = (np.log(num_records) - 1) * (b + 1) ** a
    return 1 + c * (counts_L + b) ** -a


def _ndcg_sum(gains_BK: Floats, true_B: Ints, k: int) -> float:
    """Sum weighted nDCG@k; a record without true labels has no gains, so its ideal may be any number but 0."""
    discounts = 1 / np.log2(np.arange(k) + 2)
    top_Bk = gains_BK[:, :k]
    ideal_B = np.cumsum(discounts)[np.clip(true_B, 1, k) - 1]
    return float((top_Bk @ discounts[: top_Bk.shape[1]] / ideal_B).sum())


def _largest_first(values: Floats, label_offsets: Ints, weights_B: Floats) -> Floats:
    """Order each record's values from the largest; return, place by place, their weighted sum over records."""
    record = record_of_value(label_offsets)
    place = np.arange(len(values)) - label_offsets[record]
    descending = np.lexsort((-values, record))
    sums = np.zeros(np.diff(label_offsets).max(initial=0))
    np.add.at(sums, place, values[descending] * weights_B[record])
    return sums
