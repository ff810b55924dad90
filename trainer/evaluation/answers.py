"""Ranked answers of a batch beside its true labels: the input of all metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sharding import LabelFilter, RecordBatch

from .ranker import Ranked
from .ranking import Bools, Ints, candidate_hits, record_of_value


@dataclass(frozen=True)
class Answers:
    """What one ranking answered for N records.

    Attributes:
        ids_NK: Label ids, best first; -1: none.
        scores_NK: Their scores.
        labels: True labels of all records behind each other.
        offsets: [N + 1].
    """

    ids_NK: np.ndarray
    scores_NK: np.ndarray
    labels: np.ndarray
    offsets: np.ndarray

    def hits_NK(self, num_labels: int) -> Bools:
        """Tell which candidates are true."""
        return candidate_hits(self.ids_NK, self.labels, self.offsets, num_labels)

    def top_NK(self, k: int) -> Bools:
        """Mark the first k candidates, as far as there are any."""
        return (self.ids_NK >= 0) & (np.arange(self.ids_NK.shape[1]) < k)

    def above_NK(self, threshold: float) -> Bools:
        """Mark the candidates whose score reaches a threshold."""
        return (self.ids_NK >= 0) & (self.scores_NK >= threshold)

    def exactly_right_N(self, chosen_NK: Bools, num_labels: int) -> Bools:
        """Mark the records whose chosen candidates are exactly its true labels: subset accuracy is their share."""
        found_N = (chosen_NK & self.hits_NK(num_labels)).sum(axis=1)
        return (found_N == np.diff(self.offsets)) & (found_N == chosen_NK.sum(axis=1))

    def take(self, places: Ints) -> "Answers":
        """Choose records by their places."""
        counts_N = np.diff(self.offsets)
        labels = [self.labels[self.offsets[place] : self.offsets[place + 1]] for place in places.tolist()]
        chosen = np.concatenate([self.labels[:0], *labels])
        return Answers(self.ids_NK[places], self.scores_NK[places], chosen, _offsets(counts_N[places]))

    def among(self, chosen_L: Bools, *, all_records: bool = False) -> "Answers":
        """Return the answers in a smaller label space: other labels are neither truth nor candidates.

        Candidates behind one that is dropped move up.

        Args:
            chosen_L: bool, the labels of that space.
            all_records: Whether records without a true label there stay; else they are dropped.
        """
        is_true = chosen_L[self.labels]
        counts_N = np.bincount(record_of_value(self.offsets)[is_true], minlength=len(self.ids_NK))
        stays_NK = (self.ids_NK >= 0) & chosen_L[self.ids_NK]
        order_NK = np.argsort(~stays_NK, axis=1, kind="stable")
        ids_NK = np.take_along_axis(np.where(stays_NK, self.ids_NK, -1), order_NK, axis=1)
        scores_NK = np.take_along_axis(self.scores_NK, order_NK, axis=1)
        kept_N = (counts_N > 0) | all_records
        return Answers(ids_NK[kept_N], scores_NK[kept_N], self.labels[is_true], _offsets(counts_N[kept_N]))


class Answering(Protocol):
    """Whatever ranks the labels of records: a model's own ranker, or one that fuses channels."""

    @property
    def excluded(self) -> LabelFilter | None:
        """Labels that are no candidates of a record."""
        ...

    def rank(self, records: RecordBatch, given: Sequence[Mapping[int, bool]] = ()) -> dict[str, Ranked]:
        """Rank one batch; the last ranking is the answer. A collective."""
        ...


def ask(ranker: Answering, records: RecordBatch, given: Sequence[Mapping[int, bool]] = ()) -> dict[str, Answers]:
    """Rank one batch. A collective.

    Args:
        ranker: The ranker that answers.
        records: The batch; padding records, which stand at its end, are left out of the answers.
        given: See `Ranker.rank`.

    Returns:
        Answers by ranking. What the ranker bars from a record is not true of it either.
    """
    real = int(records.weights.sum())
    truth = true_labels(records.slice(0, real), ranker.excluded)
    return {
        name: Answers(ranked.ids_BK[:real], ranked.scores_BK[:real], *truth)
        for name, ranked in ranker.rank(records, given).items()
    }


def true_labels(records: RecordBatch, excluded: LabelFilter | None) -> tuple[Ints, Ints]:
    """Read true labels, those that are excluded left out, and their offsets."""
    labels, offsets = records.ragged("labels")
    labels = labels.astype(np.int64)
    if excluded is None:
        return labels, offsets
    own = zip(excluded.of(records.table["id"].to_pylist()), offsets[:-1], offsets[1:], strict=True)
    open_B = [np.setdiff1d(labels[start:stop], out, assume_unique=True) for out, start, stop in own]
    return np.concatenate([labels[:0], *open_B]), _offsets(np.array([len(each) for each in open_B], dtype=np.int64))


def _offsets(counts_N: Ints) -> Ints:
    return np.append(0, np.cumsum(counts_N))
