"""Partial-annotation protocols: what labels known beforehand are worth, on the same truth whether known or not.

Given labels: two true labels of a record are drawn, 0, 1 or 2 of them are given, and the others are judged.
Denied label: the best false candidate is shown as false, or merely left out, and the next candidate is judged.

N records, K candidates of each, L labels, D labels that leave.
"""

from collections.abc import Sequence

import numpy as np
import xxhash

from sharding import hash64

from .answers import Answers
from .ranking import Bools, Ints, record_of_value

DRAWN = 2

_DRAW = 66


def drawn_labels(
    record_ids: Sequence[str], labels: Ints, offsets: Ints, seed: int, seen_L: Bools | None = None
) -> tuple[Ints, Ints]:
    """Draw two true labels of each record that has more than two.

    A draw depends on the seed, the record's id and its labels alone: it is the same in any batch and on any rank.

    Args:
        record_ids: The ids of N records.
        labels: True labels, ragged: record n owns labels[offsets[n] : offsets[n + 1]], each label once.
        offsets: [N + 1].
        seed: Another one draws other labels.
        seen_L: Which labels training has; others are neither counted nor drawn. None: all.

    Returns:
        (kept [n], the places of the records that have more than two labels, ascending; drawn [n, 2], their labels, the
        first of which is the one to be given alone).
    """
    keys = np.fromiter((xxhash.xxh3_64_intdigest(each.encode()) for each in record_ids), np.uint64, len(record_ids))
    labels, record = labels.astype(np.int64), record_of_value(offsets)
    if seen_L is not None:
        labels, record = labels[seen_L[labels]], record[seen_L[labels]]
    order = np.lexsort((hash64(_DRAW, seed, keys[record], labels), record))
    counts_N = np.bincount(record, minlength=len(record_ids))
    kept = np.flatnonzero(counts_N > DRAWN)
    first = (np.cumsum(counts_N) - counts_N)[kept]
    return kept, labels[order][first[:, None] + np.arange(DRAWN)]


def rest_of(answers: Answers, out_ND: Ints) -> Answers:
    """Take labels out of each record's truth and candidates; what stands behind a candidate that leaves moves up.

    All records stay, also one that is left without a true label, so that answers can be compared record by record.

    Args:
        answers: What was answered for N records: after `drawn_labels`, the kept ones.
        out_ND: The labels that leave; -1 is none.

    Returns:
        Answers of the same shape; -1 and -inf behind the last candidate.
    """
    record = record_of_value(answers.offsets)
    stays = (answers.labels[:, None] != out_ND[record]).all(axis=1)
    stays_NK = (answers.ids_NK >= 0) & (answers.ids_NK[:, :, None] != out_ND[:, None, :]).all(axis=2)
    order_NK = np.argsort(~stays_NK, axis=1, kind="stable")
    counts_N = np.bincount(record[stays], minlength=len(out_ND))
    return Answers(
        np.take_along_axis(np.where(stays_NK, answers.ids_NK, -1), order_NK, axis=1),
        np.take_along_axis(np.where(stays_NK, answers.scores_NK, -np.inf), order_NK, axis=1),
        answers.labels[stays],
        np.append(0, np.cumsum(counts_N)),
    )


def best_false(answers: Answers, num_labels: int) -> Ints:
    """Find each record's best false candidate: [N], -1 where all candidates are true.

    For the records that have one, `rest_of(answers, ids_N[:, None])` is what the next candidate's P@1 is judged by: of
    answers that were told that the label is false, against those that were not.
    """
    false_NK = (answers.ids_NK >= 0) & ~answers.hits_NK(num_labels)
    padded_NK = np.pad(np.where(false_NK, answers.ids_NK, -1), ((0, 0), (0, 1)), constant_values=-1)
    first_N1 = np.pad(false_NK, ((0, 0), (0, 1)), constant_values=True).argmax(axis=1)[:, None]
    return np.take_along_axis(padded_NK, first_N1, axis=1)[:, 0]
