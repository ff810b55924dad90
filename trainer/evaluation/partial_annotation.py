"""Evaluation with partial annotation: labels that are given, on a split with a model.

Two true labels of each record that has more than two are drawn; none, one or two of them are given, and the others are
judged. A rejected suggestion: each record's best false label is given as NO, against merely leaving it out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xxhash

from sharding import RecordBatch, hash64

from ..distributed import Ranks
from .answers import Answering, Answers, ask
from .ranking import Bools, Floats, Ints, record_of_value
from .split_evaluator import Scored

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


DEPTHS = (5, 64)  # of recall


@dataclass(frozen=True)
class Worth:
    """How well the labels that were not drawn are found, as shares of 1.

    Attributes:
        given: How many of the drawn labels were given.
        records: How many records were judged.
        precision: P@1.
        recalls: R@k for k of DEPTHS, of the labels that fit into k places.
        micro_f1: At the threshold that is best on dev with none given.
    """

    given: int
    records: int
    precision: float
    recalls: tuple[float, ...]
    micro_f1: float


@dataclass(frozen=True)
class Denial:
    """P@1 of the suggestion behind a rejected one.

    Attributes:
        records: How many records were judged.
        denied: P@1 once the best false label was given as NO.
        removed: P@1 once it was merely left out.
    """

    records: int
    denied: float
    removed: float


@dataclass(frozen=True)
class PartialAnnotation:
    """Runs the protocols with a ranker; all ranks take part, each with its share of the records, which need their `id`.

    Attributes:
        ranker: The ranker that is judged.
        seen_L: bool, labels with a training record; others are neither truth nor candidate.
        ranks: Who takes part.
        seed: Seed of the draws, which depend on it and on a record's id alone.
    """

    ranker: Answering
    seen_L: Bools
    ranks: Ranks
    seed: int = 0

    def threshold(self, batches: Iterable[RecordBatch]) -> float:
        """Tune: the score at which predictions of the labels that were not drawn have the best micro-F1, none given."""
        scored = Scored()
        for (answers,) in self._rests(batches, [0]):
            scored.add(answers, len(self.seen_L))
        return scored.best_threshold(self.ranks)

    def worth(self, batches: Iterable[RecordBatch], most: int, threshold: float) -> list[Worth]:
        """Evaluate with 0 to `most` of the drawn labels given, at most 2. A collective."""
        numbers = range(min(most, DRAWN) + 1)
        sums = np.zeros((len(numbers), 5 + len(DEPTHS)))
        for rests in self._rests(batches, numbers):
            sums += [self._sums(answers, threshold) for answers in rests]
        totals = self.ranks.sum(torch.from_numpy(sums)).numpy()
        return [_worth(given, row) for given, row in zip(numbers, totals, strict=True)]

    def denial(self, batches: Iterable[RecordBatch]) -> Denial:
        """Evaluate the suggestion behind each record's best false one. A collective."""
        sums = np.zeros(3)
        for records in batches:
            alone = self._ask(records, ())
            false_N = best_false(alone, len(self.seen_L))
            denied = self._ask(records, [{int(label): False} if label >= 0 else {} for label in false_N])
            counted_N = (false_N >= 0) & (np.diff(alone.offsets) > 0)
            hits = [
                rest_of(answers, false_N[:, None]).hits_NK(len(self.seen_L))[counted_N, :1].sum()
                for answers in (denied, alone)
            ]
            sums += [counted_N.sum(), *hits]
        records_, denied_, removed_ = self.ranks.sum(torch.from_numpy(sums)).tolist()
        return Denial(int(records_), *(hits / max(records_, 1) for hits in (denied_, removed_)))

    def _rests(self, batches: Iterable[RecordBatch], numbers: Sequence[int]) -> Iterator[list[Answers]]:
        """Answer about the labels that were not drawn, of each batch's records with more than two: once a number."""
        for records in batches:
            real = int(records.weights.sum())
            labels, offsets = records.slice(0, real).ragged("labels")
            names = records.table["id"].to_pylist()[:real]
            kept, drawn_N2 = drawn_labels(names, labels, offsets, self.seed, self.seen_L)
            rests = []
            for number in numbers:
                given: list[dict[int, bool]] = [{} for _ in range(real)]
                for place, drawn in zip(kept, drawn_N2[:, :number].tolist(), strict=True):
                    given[place] = dict.fromkeys(drawn, True)
                rests.append(rest_of(self._ask(records, given if number else ()).take(kept), drawn_N2))
            yield rests

    def _ask(self, records: RecordBatch, given: Sequence[Mapping[int, bool]]) -> Answers:
        """Take the model's answer, in the space of the labels that training has seen."""
        padded = [*given, *({} for _ in range(len(records.weights) - len(given)))] if given else given
        *_, answers = ask(self.ranker, records, padded).values()
        return answers.among(self.seen_L, all_records=True)

    def _sums(self, answers: Answers, threshold: float) -> Floats:
        hits_NK, counts_N = answers.hits_NK(len(self.seen_L)), np.diff(answers.offsets)
        above_NK = answers.above_NK(threshold)
        recalls = [(hits_NK[:, :k].sum(axis=1) / counts_N.clip(1, k)).sum() for k in DEPTHS]
        micro = [(above_NK & hits_NK).sum(), above_NK.sum(), counts_N.sum()]
        return np.array([len(counts_N), hits_NK[:, :1].sum(), *micro, *recalls], dtype=np.float64)


def _worth(given: int, row: Floats) -> Worth:
    records, hits, found, predicted, true, *recalls = row.tolist()
    total = max(records, 1)
    micro_f1 = 2 * found / max(predicted + true, 1)
    return Worth(given, int(records), hits / total, tuple(recall / total for recall in recalls), micro_f1)
