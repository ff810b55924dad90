"""Ranking metrics of answers that are there already, over some of their records."""

import numpy as np
import numpy.typing as npt

from sharding import Dataset
from trainer.evaluation import Answers, inverse_propensity, ranking_sums

Bools = npt.NDArray[np.bool_]


def ranking_metrics(
    answers: Answers, dataset: Dataset, *, seen_only: bool = True, chosen_N: Bools | None = None
) -> dict[str, float]:
    """Measure P, R, nDCG and PSP at 1, 3 and 5, and recall@K.

    Args:
        answers: Of N records.
        dataset: Whose training split counts, for propensities and for labels that are seen.
        seen_only: Judge by labels with a training record, else by all.
        chosen_N: The records that count; None: all.

    Returns:
        Means over records, as shares of 1, by metric.
    """
    counts_L, train_records = dataset.vocabulary.counts, dataset.split("train").num_records
    answers = answers if chosen_N is None else _take(answers, chosen_N)
    answers = answers.among(counts_L > 0) if seen_only else answers
    weights_N = np.ones(len(answers.ids_NK))
    truth, inverse_propensity_L = (answers.labels, answers.offsets), inverse_propensity(counts_L, train_records)
    return ranking_sums(answers.ids_NK, *truth, inverse_propensity_L, weights_B=weights_N).means()


def _take(answers: Answers, chosen_N: Bools) -> Answers:
    counts_N = np.diff(answers.offsets)
    is_kept = np.repeat(chosen_N, counts_N)
    offsets = np.append(0, np.cumsum(counts_N[chosen_N]))
    return Answers(answers.ids_NK[chosen_N], answers.scores_NK[chosen_N], answers.labels[is_kept], offsets)
