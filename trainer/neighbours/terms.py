"""Sparse keys: TF-IDF of the hashed words of a whole text. The only importer of scikit-learn.

The weights are those of scikit-learn's TfidfVectorizer(sublinear_tf=True, min_df=2, max_df=0.2): (1 + ln tf) * idf with
idf = 1 + ln((1 + n) / (1 + df)), then length 1. Words are hashed, so that no vocabulary has to be agreed on or kept.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Matrix = Any  # a scipy.sparse CSR array [rows, features] of float32: scipy comes without types

LEAST_RECORDS = 2  # a word of one record alone finds nothing but that record
LARGEST_SHARE = 0.2  # nor does a word of every fifth record say which is near


def count_terms(texts: Sequence[str], features: int) -> Matrix:
    """Count the words of texts of at least two letters, lower-cased, by their hash: [texts, features]."""
    if not len(texts):
        return sparse.csr_array((0, features), dtype=np.float32)
    return sparse.csr_array(_hashing(features).transform(texts))


def document_frequencies(counts: Matrix) -> NDArray[np.int64]:
    """Count the records that have each term [features]; sums over parts of the records add up."""
    return np.bincount(counts.indices, minlength=counts.shape[1]).astype(np.int64)


def inverse_frequencies(frequencies: NDArray[np.int64], records: int) -> NDArray[np.float32]:
    """Weigh terms: [features], 0 for those of too few or too many of the records."""
    kept = (frequencies >= LEAST_RECORDS) & (frequencies <= LARGEST_SHARE * records)
    return np.where(kept, np.log((1 + records) / (1 + frequencies)) + 1, 0).astype(np.float32)


def weigh(counts: Matrix, idf: NDArray[np.float32]) -> Matrix:
    """Make keys of counts: weighted, terms of weight 0 left out, each row of length 1 or empty."""
    values = ((1 + np.log(counts.data.astype(np.float64))) * idf[counts.indices]).astype(np.float32)
    keys: Matrix = sparse.csr_array((values, counts.indices, counts.indptr), shape=counts.shape)
    keys.eliminate_zeros()
    row_of_value = np.repeat(np.arange(keys.shape[0]), np.diff(keys.indptr))
    squares = np.bincount(row_of_value, weights=keys.data.astype(np.float64) ** 2, minlength=keys.shape[0])
    keys.data /= np.sqrt(squares)[row_of_value].astype(np.float32)
    return keys


def matrix_of(
    counts: NDArray[np.int64], terms: NDArray[np.int32], values: NDArray[np.float32], features: int
) -> Matrix:
    """Put rows of so many terms each together, whose terms and values lie behind each other."""
    offsets = np.append(0, np.cumsum(counts))
    return sparse.csr_array((values, terms, offsets), shape=(len(counts), features))


@cache
def _hashing(features: int) -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer  # noqa: PLC0415  # a second that most commands save

    plain_counts: Any = {"alternate_sign": False, "norm": None, "dtype": np.float32}
    return HashingVectorizer(n_features=features, **plain_counts)
