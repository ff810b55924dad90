"""Balanced hierarchical clustering of sparse rows: a label tree of spherical 2-means splits.

Source: the label trees of Parabel (Prabhu et al., WWW 2018), whose rows have length one; here a longer row counts more.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 20  # of which a split seldom takes more than ten

Rows = Any  # a scipy.sparse CSR array: scipy comes without types


def balanced_order(features: Rows, size: int) -> NDArray[np.int64]:
    """Order the rows of a sparse matrix so that every `size` of them are alike; only the last may be fewer.

    The same features give the same order with any number of threads; of equal rows the first come first. Time:
    O(entries * log(L / size)).

    Args:
        features: Sparse rows [L, F].
        size: Rows of a cluster.

    Returns:
        int64 [L], a permutation.
    """
    rows_LF = features.astype(np.float64)
    return np.concatenate(_leaves(rows_LF, np.arange(rows_LF.shape[0]), size))


def _leaves(rows_LF: Rows, members_N: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    pieces = -(-len(members_N) // size)
    if pieces <= 1:
        return [members_N]
    left_N = _split(rows_LF[members_N], (pieces + 1) // 2 * size)
    return _leaves(rows_LF, members_N[left_N], size) + _leaves(rows_LF, members_N[~left_N], size)


def _split(rows_NF: Rows, on_left: int) -> NDArray[np.bool_]:
    """Choose so many rows for the left: those whose place there adds most to |sum of left| + |sum of right|."""
    left_N = _nearest(rows_NF, _first_direction(rows_NF), on_left)
    for _ in range(_ROUNDS):
        before_N = left_N
        direction_F = _direction(_sum(rows_NF, left_N)) - _direction(_sum(rows_NF, ~left_N))
        left_N = _nearest(rows_NF, direction_F, on_left)
        if np.array_equal(left_N, before_N):
            break
    return left_N


def _first_direction(rows_NF: Rows) -> NDArray[np.float64]:
    """Point from the row least like the first, to the first: of labels, ordered by frequency, it is the best known."""
    first_F = rows_NF[[0]].toarray()[0]
    other = int(np.argmin(rows_NF @ first_F))
    return first_F - rows_NF[[other]].toarray()[0]


def _nearest(rows_NF: Rows, direction_F: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    order_N = np.argsort(-(rows_NF @ direction_F), kind="stable")
    chosen_N = np.zeros(len(order_N), dtype=np.bool_)
    chosen_N[order_N[:count]] = True
    return chosen_N


def _sum(rows_NF: Rows, chosen_N: NDArray[np.bool_]) -> NDArray[np.float64]:
    return chosen_N.astype(np.float64) @ rows_NF


def _direction(sum_F: NDArray[np.float64]) -> NDArray[np.float64]:
    # numpy's own sum: BLAS shares out a long one among threads, and the last digits differ.
    length = np.sqrt(np.square(sum_F).sum())
    return sum_F / length if length else sum_F
