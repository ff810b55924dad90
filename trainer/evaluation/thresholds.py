"""F1 and subset accuracy when every candidate whose score reaches one threshold is predicted."""

from dataclasses import dataclass

import numpy as np

from .ranking import Bools, Floats, Ints, candidate_hits


@dataclass(frozen=True)
class F1:
    """Micro F1 over all label assignments; macro F1 over the labels that some record of the set has."""

    micro: float
    macro: float


def best_threshold(scores: Floats, hits: Bools, num_positive: int) -> tuple[float, float]:
    """Find the threshold with the best micro F1, exactly: every cut between distinct scores is tried.

    scores, hits: any one shape, real candidates only; num_positive: all true labels, also those that are no candidate.
    Among equals the highest threshold wins; inf, with F1 0, means that nothing should be predicted.
    """
    negated, cut_of_score, sizes = np.unique(-scores, return_inverse=True, return_counts=True)
    found = np.cumsum(np.bincount(cut_of_score[hits], minlength=len(negated)))
    micro = np.append(0.0, _f1(found, np.cumsum(sizes), num_positive))
    best = int(micro.argmax())
    return float(np.append(np.inf, -negated)[best]), float(micro[best])


def f1_at(
    threshold: float, ids_BK: Ints, scores_BK: Floats, label_values: Ints, label_offsets: Ints, *, num_labels: int
) -> F1:
    """Predict the candidates with score >= threshold and compare; a true label that is no candidate is missed.

    Macro F1 averages over labels that at least one record here has, so that labels of other splits do not dilute it.
    """
    predicted_BK = _predicted(threshold, ids_BK, scores_BK)
    found_BK = predicted_BK & candidate_hits(ids_BK, label_values, label_offsets, num_labels)
    found_L, predicted_L, true_L = (
        np.bincount(ids, minlength=num_labels) for ids in (ids_BK[found_BK], ids_BK[predicted_BK], label_values)
    )
    present = true_L > 0
    return F1(
        micro=float(_f1(found_L.sum(), predicted_L.sum(), true_L.sum())),
        macro=float(_f1(found_L, predicted_L, true_L)[present].mean()),
    )


def subset_accuracy(
    threshold: float, ids_BK: Ints, scores_BK: Floats, label_values: Ints, label_offsets: Ints, *, num_labels: int
) -> float:
    """Share of records whose predicted labels are their true ones, no more and no less."""
    predicted_BK = _predicted(threshold, ids_BK, scores_BK)
    found_BK = predicted_BK & candidate_hits(ids_BK, label_values, label_offsets, num_labels)
    found_B, true_B = found_BK.sum(axis=1), np.diff(label_offsets)
    return float(((found_B == true_B) & (found_B == predicted_BK.sum(axis=1))).mean())


def _predicted(threshold: float, ids_BK: Ints, scores_BK: Floats) -> Bools:
    return (ids_BK >= 0) & (scores_BK >= threshold)


def _f1(found: Ints, predicted: Ints, true: Ints | int) -> Floats:
    """Harmonic mean of precision and recall; 0 where nothing is predicted and nothing is true."""
    return 2 * found / np.maximum(predicted + true, 1)
