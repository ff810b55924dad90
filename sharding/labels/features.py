"""Sparse label features for clustering: label co-occurrence counts and TF-IDF of the tokens of a label's records.

A label without a training record counts as one record, of its own text.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from ..formats.shard import check_ids

# The name and the columns `tokens` and `labels` of one shard after the other, anew at each call.
Shards = Callable[[], Iterable[tuple[str, pa.RecordBatch]]]
Matrix = Any  # a scipy.sparse CSR array: scipy comes without types


def label_features(shards: Shards, own_tokens: Sequence[Sequence[int]], num_tokens: int) -> Matrix:
    """Describe L labels by sparse float32 rows [L, L + F], F being the number of token ids.

    The first L columns are log(1 + records in which both labels occur). The others are the mean TF-IDF row of the
    label's records, or else of its own text, at length log(1 + its records). So a row is as long as its label is
    frequent, and weighs as much. Reads the shards twice; memory: one shard and the result.

    Args:
        shards: Yields (name, rows) of the shards, and can be called again.
        own_tokens: The text of each label, as token ids.
        num_tokens: F.

    Raises:
        CorruptShardError: A shard has a label or token out of range.
    """
    num_labels = len(own_tokens)
    idf_F = _inverse_frequency(shards, num_tokens)
    together_LL: Matrix = sparse.csr_array((num_labels, num_labels))
    words_LF: Matrix = sparse.csr_array((num_labels, num_tokens))
    for shard, rows in shards():
        labels_LN = _counts(shard, rows, "labels", num_labels).T.tocsr()
        together_LL += labels_LN @ labels_LN.T
        words_LF += labels_LN @ _tf_idf(_counts(shard, rows, "tokens", num_tokens), idf_F)
    counts_L = together_LL.diagonal()
    words_LF += _scaled(_tf_idf(_of_texts(own_tokens, num_tokens), idf_F), counts_L == 0)
    lengths_L = np.log1p(np.maximum(counts_L, 1))
    blocks = [together_LL.log1p(), _scaled(_unit(words_LF), lengths_L)]
    # Float64 sums differ in their last digits with the order of shards; these digits would decide between equals.
    return sparse.hstack(blocks, format="csr", dtype=np.float32)


def _inverse_frequency(shards: Shards, num_tokens: int) -> NDArray[np.float64]:
    """Weigh token ids [F] by log((1 + records) / (1 + records with the token)) + 1."""
    records, found_F = 0, np.zeros(num_tokens, dtype=np.int64)
    for shard, rows in shards():
        records += rows.num_rows
        found_F += np.bincount(_counts(shard, rows, "tokens", num_tokens).indices, minlength=num_tokens)
    return np.log((1 + records) / (1 + found_F)) + 1


def _counts(shard: str, rows: pa.RecordBatch, column: str, width: int) -> Matrix:
    """Count the ids of a list column: [rows, width]."""
    values = rows[column].flatten().to_numpy()
    check_ids(shard, column, values, width)
    return _ragged_counts(values, rows[column].value_lengths().to_numpy(), width)


def _of_texts(tokens: Sequence[Sequence[int]], width: int) -> Matrix:
    values = np.fromiter((token for text in tokens for token in text), np.int64)
    return _ragged_counts(values, np.array([len(text) for text in tokens], dtype=np.int64), width)


def _ragged_counts(values: NDArray[np.integer], lengths: NDArray[np.integer], width: int) -> Matrix:
    offsets = np.append(0, np.cumsum(lengths))
    counts = sparse.csr_array((np.ones(len(values)), values.astype(np.int64), offsets), (len(lengths), width))
    counts.sum_duplicates()
    return counts


def _tf_idf(counts_NF: Matrix, idf_F: NDArray[np.float64]) -> Matrix:
    return _unit(counts_NF @ sparse.diags_array(idf_F, format="csr"))


def _unit(rows_NF: Matrix) -> Matrix:
    lengths_N = np.sqrt(rows_NF.power(2).sum(axis=1))
    return _scaled(rows_NF, 1 / np.where(lengths_N > 0, lengths_N, 1))


def _scaled(rows_NF: Matrix, factors_N: NDArray[Any]) -> Matrix:
    scaled = sparse.diags_array(factors_N.astype(np.float64), format="csr") @ rows_NF
    scaled.eliminate_zeros()
    return scaled
