"""Evaluation of a trained model on a split: ranking metrics, and F1 at a threshold that is tuned on another split.

Every rank judges its own share of the records; memory is O(labels), and O(records * K) of the tuning records alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from operator import add

import numpy as np
import torch

from sharding import RecordBatch

from ..distributed import Ranks
from .answers import Answering, Answers, ask
from .frequency_buckets import BucketRecall, by_frequency
from .label_counts import LabelCounts, f1
from .ranker import Ranked, Ranker
from .ranking import KS, Bools, Floats, Ints, RankingSums, inverse_propensity, ranking_sums


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


@dataclass(frozen=True)
class EvaluationResult:
    """The metrics of one ranking.

    Attributes:
        records: How many records were judged.
        metrics: Values by name, shares of 1.
        bands: Recall at each k of KS by label frequency.
    """

    records: int
    metrics: dict[str, float]
    bands: tuple[BucketRecall, ...]


@dataclass(frozen=True)
class SplitEvaluator:
    """Evaluates what a ranker answers.

    Attributes:
        ranker: The ranker that is judged.
        training_records_L: Training records of each label.
        train_records: All training records.
        ranks: Who takes part.
        seen_only: Whether labels without a training record are neither truth nor candidates; records without another
            label then do not count.
    """

    ranker: Answering
    training_records_L: Ints
    train_records: int
    ranks: Ranks
    seen_only: bool = False

    def thresholds(self, batches: Iterable[RecordBatch]) -> dict[str, float]:
        """Find the threshold with the best micro F1 for each ranking. A collective."""
        scored: dict[str, Scored] = {}
        for name, answers in self._answers(batches):
            scored.setdefault(name, Scored()).add(answers, len(self.training_records_L))
        return {name: parts.best_threshold(self.ranks) for name, parts in scored.items()}

    def verdicts(self, batches: Iterable[RecordBatch], thresholds: dict[str, float]) -> dict[str, EvaluationResult]:
        """Compute the metrics of each ranking, those of F1 and subsets at its threshold. A collective."""
        inverse_propensity_L = inverse_propensity(self.training_records_L, self.train_records)
        tallies = {name: MetricSums.begin(threshold, inverse_propensity_L) for name, threshold in thresholds.items()}
        for name, answers in self._answers(batches):
            tallies[name].add(answers)
        return {name: tally.verdict(self.training_records_L, self.ranks) for name, tally in tallies.items()}

    def _answers(self, batches: Iterable[RecordBatch]) -> Iterator[tuple[str, Answers]]:
        seen_L = self.training_records_L > 0
        for records in batches:
            for name, answers in ask(self.ranker, records).items():
                yield name, answers.among(seen_L) if self.seen_only else answers


@dataclass
class Scored:
    """The scores of all candidates of one ranking and which of them are true: 5 bytes a candidate."""

    scores: list[Floats] = field(default_factory=list)
    hits: list[Bools] = field(default_factory=list)
    num_positive: int = 0

    def add(self, answers: Answers, num_labels: int) -> None:
        """Keep the real candidates of a batch."""
        real_NK = answers.ids_NK >= 0
        self.scores.append(answers.scores_NK[real_NK])
        self.hits.append(answers.hits_NK(num_labels)[real_NK])
        self.num_positive += len(answers.labels)

    def best_threshold(self, ranks: Ranks) -> float:
        """Find it on the first rank, which alone gets the candidates of all, and tell the others. A collective."""
        scores = ranks.gather_on_first(torch.from_numpy(np.concatenate(self.scores))).numpy()
        hits = ranks.gather_on_first(torch.from_numpy(np.concatenate(self.hits)).byte()).bool().numpy()
        num_positive = int(ranks.sum(torch.tensor([self.num_positive])))
        best = best_threshold(scores, hits, num_positive)[0] if ranks.is_first else 0.0
        return float(ranks.sum(torch.tensor([best], dtype=torch.float64)))


@dataclass
class MetricSums:
    """The sums behind the metrics of one ranking; they add up over batches and ranks."""

    threshold: float
    inverse_propensity_L: Floats
    counts: LabelCounts
    sums: RankingSums = field(default_factory=RankingSums.zeros)
    records: int = 0
    right: int = 0

    @classmethod
    def begin(cls, threshold: float, inverse_propensity_L: Floats) -> "MetricSums":
        """Count what is predicted at each k, and in the end at the threshold."""
        return cls(threshold, inverse_propensity_L, LabelCounts.zeros(len(KS) + 1, len(inverse_propensity_L)))

    def add(self, answers: Answers) -> None:
        """Count a batch."""
        weights_N = np.ones(len(answers.ids_NK))
        truth = (answers.labels, answers.offsets)
        self.sums += ranking_sums(answers.ids_NK, *truth, self.inverse_propensity_L, weights_B=weights_N)
        above_NK = answers.above_NK(self.threshold)
        self.counts.add(answers, [*map(answers.top_NK, KS), above_NK])
        self.records += len(weights_N)
        self.right += int(answers.exactly_right_N(above_NK, len(self.inverse_propensity_L)).sum())

    def verdict(self, training_records_L: Ints, ranks: Ranks) -> EvaluationResult:
        """Sum over ranks, and divide. A collective."""
        counts = self.counts.over_ranks(ranks)
        records, right = ranks.sum(torch.tensor([self.records, self.right])).tolist()
        macro_f1_D, coverage_D = counts.macro_f1_D().tolist(), counts.coverage_D().tolist()
        at_k = {f"macro-F1@{k}": mean for k, mean in zip(KS, macro_f1_D, strict=False)}
        at_k |= {f"coverage@{k}": share for k, share in zip(KS, coverage_D, strict=False)}
        at_threshold = {
            "micro-F1": float(counts.micro_f1_D()[-1]),
            "macro-F1": macro_f1_D[-1],
            "subset accuracy": right / records if records else float("nan"),
            "threshold": self.threshold,
        }
        means = self.sums.over_ranks(ranks).means()
        return EvaluationResult(records, means | at_k | at_threshold, tuple(by_frequency(counts, training_records_L)))


def best_threshold(scores: Floats, hits: Bools, num_positive: int) -> tuple[float, float]:
    """Find the threshold with the best micro F1, exactly: every cut between distinct scores is tried.

    Args:
        scores: Scores of real candidates, any shape.
        hits: Which are true, the same shape.
        num_positive: All true labels, also those that are no candidate.

    Returns:
        (threshold, F1). Among equals the highest threshold wins; inf, with F1 0, means that nothing should be
        predicted.
    """
    negated, cut_of_score, sizes = np.unique(-scores, return_inverse=True, return_counts=True)
    found = np.cumsum(np.bincount(cut_of_score[hits], minlength=len(negated)))
    micro = np.append(0.0, f1(found, np.cumsum(sizes), num_positive))
    best = int(micro.argmax())
    return float(np.append(np.inf, -negated)[best]), float(micro[best])
