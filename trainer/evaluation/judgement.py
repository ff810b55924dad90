"""The verdict on a trained model: its metrics on one split, those at a threshold with one tuned on another."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sharding import RecordBatch

from .evaluator import Ranked, Ranker
from .ranking import candidate_hits, ranking_sums
from .thresholds import best_threshold, f1_at, subset_accuracy


@dataclass(frozen=True)
class Answers:
    """What one ranking answered for N records: ids and scores [N, K], and the true labels, ragged."""

    ids_NK: np.ndarray
    scores_NK: np.ndarray
    labels: np.ndarray
    offsets: np.ndarray

    def hits_NK(self, num_labels: int) -> np.ndarray:
        """Tell which candidates are true."""
        return candidate_hits(self.ids_NK, self.labels, self.offsets, num_labels)


def collect(ranker: Ranker, batches: Iterable[RecordBatch]) -> dict[str, Answers]:
    """Rank all records of weight 1; returns {ranking: answers}. Memory: O(records * K)."""
    parts: dict[str, list[Ranked]] = {}
    labels, counts = [], []
    for records in batches:
        real = int(records.weights.sum())  # padding stands at the end
        values, offsets = records.slice(0, real).ragged("labels")
        labels.append(values.astype(np.int64))
        counts.append(np.diff(offsets))
        for name, ranked in ranker.rank(records).items():
            parts.setdefault(name, []).append(Ranked(ranked.ids_BK[:real], ranked.scores_BK[:real]))
    true_labels, true_offsets = np.concatenate(labels), np.append(0, np.cumsum(np.concatenate(counts)))
    return {name: _answers(ranked, true_labels, true_offsets) for name, ranked in parts.items()}


def judge(tuning: Answers, test: Answers, inverse_propensity_L: np.ndarray) -> dict[str, float]:
    """Measure `test`; the one threshold has the best micro-F1 on `tuning`."""
    num_labels = len(inverse_propensity_L)
    weights_N = np.ones(len(test.ids_NK))
    sums = ranking_sums(test.ids_NK, test.labels, test.offsets, inverse_propensity_L, weights_B=weights_N)
    real_NK = tuning.ids_NK >= 0
    threshold, _ = best_threshold(
        tuning.scores_NK[real_NK], tuning.hits_NK(num_labels)[real_NK], num_positive=len(tuning.labels)
    )
    decided = (threshold, test.ids_NK, test.scores_NK, test.labels, test.offsets)
    f1, exact = f1_at(*decided, num_labels=num_labels), subset_accuracy(*decided, num_labels=num_labels)
    at_threshold = {"micro-F1": f1.micro, "macro-F1": f1.macro, "subset accuracy": exact}
    return sums.means() | at_threshold | {"threshold": threshold}


def _answers(ranked: list[Ranked], labels: np.ndarray, offsets: np.ndarray) -> Answers:
    ids_NK = np.concatenate([part.ids_BK for part in ranked])
    return Answers(ids_NK, np.concatenate([part.scores_BK for part in ranked]), labels, offsets)
