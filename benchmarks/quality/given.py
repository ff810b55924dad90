"""What labels known beforehand are worth: micro-F1 on the same hidden labels when 0, 1 or 2 true labels are given.

Of each record with at least three labels two are drawn. They are neither truth nor predictions, whether given or not.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sharding import Dataset, RecordBatch, Split, hash64, uniform
from sharding.stream import COLUMNS
from trainer.evaluation import Answers, Ranker, best_threshold

Ints = npt.NDArray[np.int64]

DRAWN = 2
RESAMPLES = 1000
BATCH = 64

_DRAW, _RESAMPLE = 64, 65


@dataclass(frozen=True)
class Worth:
    """Micro-F1 of the hidden labels with so many others given, the gain over none, and two standard errors of each."""

    given: int
    f1: float
    f1_error: float
    gain: float
    gain_error: float


def measure(ranker: Ranker, dataset: Dataset) -> list[Worth]:
    """Give 0, 1 and 2 labels of the test records; the threshold is the best on the dev records with none given."""
    num_labels = len(dataset.vocabulary)
    tuning = ask(ranker, eligible(dataset.split("dev")), 0)
    real_NK = tuning.ids_NK >= 0
    hits_NK = tuning.hits_NK(num_labels)
    threshold, _ = best_threshold(tuning.scores_NK[real_NK], hits_NK[real_NK], num_positive=len(tuning.labels))
    test = eligible(dataset.split("test"))
    return gains(np.stack([counts(ask(ranker, test, given), threshold, num_labels) for given in range(DRAWN + 1)]))


def eligible(split: Split) -> RecordBatch:
    """Read the records that have a label beside the drawn ones."""
    everything = _take(split, np.arange(split.num_records))
    return _take(split, np.flatnonzero(np.diff(everything.ragged("labels")[1]) > DRAWN))


def draw(records: RecordBatch) -> Ints:
    """Draw labels of each record, the same however many of them are given: [N, 2]."""
    labels, offsets = records.ragged("labels")
    own = zip(records.positions, np.split(labels.astype(np.int64), offsets[1:-1]), strict=True)
    return np.stack([labels[np.argsort(hash64(_DRAW, int(place), labels))[:DRAWN]] for place, labels in own])


def ask(ranker: Ranker, records: RecordBatch, given: int) -> Answers:
    """Rank the labels of records, told so many of the drawn ones; neither truth nor candidates keep a drawn label."""
    drawn_N2 = draw(records)
    told = [dict.fromkeys(labels, True) for labels in drawn_N2[:, :given].tolist()]
    ranked = []
    for start in range(0, len(told), BATCH):
        *_, answer = ranker.rank(records.slice(start, start + BATCH), told[start : start + BATCH]).values()
        ranked.append(answer)
    labels, offsets = records.ragged("labels")
    ids_NK, scores_NK = np.concatenate([r.ids_BK for r in ranked]), np.concatenate([r.scores_BK for r in ranked])
    return hide(Answers(ids_NK, scores_NK, labels.astype(np.int64), offsets), drawn_N2)


def hide(answers: Answers, drawn_N2: Ints) -> Answers:
    """Take the drawn labels, which are true, out of the truth and the candidates."""
    counts_N = np.diff(answers.offsets)
    is_drawn_NK = (answers.ids_NK[:, :, None] == drawn_N2[:, None, :]).any(axis=2)
    is_drawn = (answers.labels[:, None] == np.repeat(drawn_N2, counts_N, axis=0)).any(axis=1)
    offsets = np.append(0, np.cumsum(counts_N - DRAWN))
    return Answers(np.where(is_drawn_NK, -1, answers.ids_NK), answers.scores_NK, answers.labels[~is_drawn], offsets)


def counts(answers: Answers, threshold: float, num_labels: int) -> Ints:
    """Count for each record what is found, predicted and true: [N, 3]."""
    predicted_NK = (answers.ids_NK >= 0) & (answers.scores_NK >= threshold)
    found_NK = predicted_NK & answers.hits_NK(num_labels)
    return np.stack([found_NK.sum(axis=1), predicted_NK.sum(axis=1), np.diff(answers.offsets)], axis=1)


def gains(counts_GN3: Ints) -> list[Worth]:
    """Sum over records; for the errors, over records drawn anew, the same ones for each number of given labels."""
    records = counts_GN3.shape[1]
    picks_RN = (uniform(_RESAMPLE, np.arange(RESAMPLES)[:, None], np.arange(records)) * records).astype(np.int64)
    f1_G = _micro_f1(counts_GN3.sum(axis=1))
    f1_RG = np.stack([_micro_f1(counts_GN3[:, picks_N].sum(axis=1)) for picks_N in picks_RN])
    errors_G, gain_errors_G = 2 * f1_RG.std(axis=0), 2 * (f1_RG - f1_RG[:, :1]).std(axis=0)
    columns = (f1_G, errors_G, f1_G - f1_G[0], gain_errors_G)
    return [Worth(given, *figures) for given, figures in enumerate(np.stack(columns, axis=1).tolist())]


def _micro_f1(sums_G3: Ints) -> npt.NDArray[np.float64]:
    found_G, predicted_G, true_G = sums_G3.T
    return 2 * found_G / (predicted_G + true_G)


def _take(split: Split, positions_N: Ints) -> RecordBatch:
    weights_N = np.ones(len(positions_N), dtype=np.float32)
    return RecordBatch(0, positions_N, weights_N, split.take(positions_N, COLUMNS))
