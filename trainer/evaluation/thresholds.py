"""The score threshold for prediction, tuned for micro F1."""

import numpy as np

from .label_counts import f1
from .ranking import Bools, Floats


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
