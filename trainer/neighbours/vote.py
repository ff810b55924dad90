"""The kNN vote: labels of the nearest records, weighted by likeness. Pure functions of numbers."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_BOUND = 1.0  # of a label's votes, past which sums are only rounded


@dataclass(frozen=True)
class VoteRule:
    """Who votes, and how strongly.

    Attributes:
        k: So many of the nearest records vote.
        power: A record's vote is its cosine to this power, relative to those of all k.
    """

    k: int
    power: float


@dataclass(frozen=True)
class Votes:
    """Labels that neighbours voted for.

    Attributes:
        ids_BM: label ids, int64, from the label with most votes, of equal ones the lower id first; -1: none. M is
            the number of labels of the record that got most.
        scores_BM: the share of all votes that each got, float32 in [0, 1]; 0 where there is no label.
    """

    ids_BM: Tensor
    scores_BM: Tensor


@dataclass(frozen=True)
class Neighbours:
    """The nearest records of B questions and their labels, from which any smaller k can vote.

    Attributes:
        cosines_BK: likeness, from the largest, at least 0; 0 where there is no neighbour.
        positions_BK: places in the index, int64; -1: none.
        question_N, place_N, label_N: for each label of a neighbour whose neighbour it is (place below K), int64.
    """

    cosines_BK: Tensor
    positions_BK: Tensor
    question_N: Tensor
    place_N: Tensor
    label_N: Tensor

    def vote(self, rule: VoteRule, num_labels: int) -> Votes:
        """Let each of the first k neighbours give its weight to each of its labels.

        The literature calls this distance-weighted k nearest neighbours (Dudani, IEEE Transactions on Systems, Man, and
        Cybernetics 1976).
        """
        cosines_BK = self.cosines_BK[:, : rule.k].double().cpu().numpy()
        best_B1 = cosines_BK.max(axis=1, keepdims=True, initial=0)  # its vote is 1 before sums: none underflows to 0
        powers_BK = np.divide(cosines_BK, best_B1, out=np.zeros_like(cosines_BK), where=best_B1 > 0) ** rule.power
        sums_B1 = powers_BK.sum(axis=1, keepdims=True)
        weights_BK = np.divide(powers_BK, sums_B1, out=np.zeros_like(powers_BK), where=sums_B1 > 0)
        votes = self.place_N.cpu().numpy() < weights_BK.shape[1]
        question_N, place_N, label_N = (
            part.cpu().numpy()[votes] for part in (self.question_N, self.place_N, self.label_N)
        )
        keys_U, where_N = np.unique(question_N * num_labels + label_N, return_inverse=True)
        scores_U = np.bincount(where_N, weights=weights_BK[question_N, place_N], minlength=len(keys_U))
        return _padded(keys_U // num_labels, keys_U % num_labels, scores_U, len(weights_BK))


def _padded(question_U: np.ndarray, label_U: np.ndarray, scores_U: np.ndarray, questions: int) -> Votes:
    """Give each question a row, its best label first."""
    order_U = np.lexsort((label_U, -scores_U, question_U))
    question_U, label_U, scores_U = question_U[order_U], label_U[order_U], scores_U[order_U]
    counts_B = np.bincount(question_U, minlength=questions)
    place_U = np.arange(len(question_U)) - (np.cumsum(counts_B) - counts_B)[question_U]
    ids_BM = np.full((questions, counts_B.max(initial=0)), -1, dtype=np.int64)
    scores_BM = np.zeros(ids_BM.shape, dtype=np.float32)
    ids_BM[question_U, place_U] = label_U
    scores_BM[question_U, place_U] = np.minimum(scores_U, _BOUND)
    return Votes(torch.from_numpy(ids_BM), torch.from_numpy(scores_BM))
