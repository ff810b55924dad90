"""A counted baseline for labels that are given: a linear classifier of texts, plus how often labels go together.

What a model that reads given labels gains must be held against what counting pairs of labels in the training split
gains on the same records with the same labels drawn.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from trainer.evaluation import best_threshold

from .linear_text import EPOCHS, LinearText
from .texts import Ints, LabelledTexts

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]

WEIGHT = 0.5  # of the lift, beside the text's log-odds
SMOOTHING = 10  # records that a label's row of counts is filled up with, in which labels are as frequent as everywhere
CLIP = 6.0
RAREST, SUREST = 1e-6, 1 - 1e-3  # probabilities are held between them


@dataclass(frozen=True)
class Drawn:
    """Records of which two labels are known to be true: these are given or not, and are never judged.

    Attributes:
        records: n of them, each with its labels, drawn ones too.
        labels_n2: The drawn label ids, in the order in which they are given.
    """

    records: LabelledTexts
    labels_n2: Ints

    @classmethod
    def of(cls, split: LabelledTexts, records_n: Ints, labels_n2: Ints) -> "Drawn":
        """Choose records of a split by number, as the protocol of given labels has drawn them."""
        return cls(split.take(records_n), labels_n2)


@dataclass(frozen=True)
class RestQuality:
    """Quality on the labels beside the drawn ones, as shares of 1, with so many of the drawn ones given."""

    given: int
    precision_at_1: float
    micro_f1: float


@dataclass(frozen=True)
class CooccurrenceBaseline:
    """Log-odds of labels given a text, and `WEIGHT` times the lift of each given label."""

    text: LinearText
    lift_LL: npt.NDArray[np.float32]
    seen_L: Bools

    @classmethod
    def fit(cls, train: LabelledTexts, num_labels: int, *, epochs: int = EPOCHS) -> "CooccurrenceBaseline":
        """Learn from texts, and count pairs of labels."""
        truth_NL = train.truth_NL(num_labels)
        seen_L = np.bincount(train.labels, minlength=num_labels) > 0
        return cls(LinearText.fit(train.texts, truth_NL, epochs=epochs), lift_LL(truth_NL), seen_L)

    def precision(self, split: LabelledTexts, ks: Iterable[int] = (1, 3, 5)) -> dict[str, float]:
        """Measure P@k with nothing given, over the records that have a label with a training record."""
        truth_NL = split.truth_NL(len(self.seen_L)).toarray().astype(bool) & self.seen_L
        order_NL = np.argsort(-self._scores(split, None), axis=1, kind="stable")
        hits_NL = np.take_along_axis(truth_NL, order_NL, axis=1)[truth_NL.any(axis=1)]
        return {f"P@{k}": float(hits_NL[:, :k].mean()) for k in ks}

    def measure(self, dev: Drawn, test: Drawn) -> list[RestQuality]:
        """Judge the labels beside the drawn ones with 0, 1 and 2 of these given.

        The threshold of F1 is the best on dev with nothing given. Labels without a training record do not count.
        """
        scores_nL, truth_nL = self._rest(dev, 0)
        counted_nL = scores_nL > -np.inf
        threshold, _ = best_threshold(scores_nL[counted_nL], truth_nL[counted_nL], int(truth_nL.sum()))
        return [_quality(given, *self._rest(test, given), threshold) for given in range(test.labels_n2.shape[1] + 1)]

    def _rest(self, drawn: Drawn, given: int) -> tuple[Floats, Bools]:
        """Score all labels but the drawn ones and those never seen; say which of them are true: two of [n, L]."""
        out_nL = np.tile(~self.seen_L, (len(drawn.records), 1))
        np.put_along_axis(out_nL, drawn.labels_n2, values=True, axis=1)
        scores_nL = np.where(out_nL, -np.inf, self._scores(drawn.records, drawn.labels_n2[:, :given]))
        truth_nL = drawn.records.truth_NL(len(self.seen_L)).toarray().astype(bool) & ~out_nL
        is_asked_n = truth_nL.any(axis=1)
        return scores_nL[is_asked_n], truth_nL[is_asked_n]

    def _scores(self, records: LabelledTexts, given_NG: Ints | None) -> Floats:
        scores_NL = self.text.scores_NL(records.texts)
        scores_NL = scores_NL if given_NG is None else scores_NL + WEIGHT * self.lift_LL[given_NG].sum(axis=1)
        return np.where(self.seen_L, scores_NL, -np.inf)


def lift_LL(truth_NL: sparse.csr_matrix) -> npt.NDArray[np.float32]:
    """Count by how much a label raises the log-odds of each other.

    Args:
        truth_NL: Ones where a training record has a label.

    Returns:
        In row i, column j: log-odds of j among the records with i, filled up with SMOOTHING records in which j is as
        frequent as everywhere, less the log-odds of j among all; within +-CLIP, float32 [L, L].
    """
    together_LL = (truth_NL.T @ truth_NL).toarray().astype(np.float64)
    counts_L = together_LL.diagonal()
    shares_L = counts_L / (len(truth_NL.indptr) - 1)
    given_LL = (together_LL + SMOOTHING * shares_L) / (counts_L[:, None] + SMOOTHING)
    return np.clip(_log_odds(given_LL) - _log_odds(shares_L), -CLIP, CLIP).astype(np.float32)


def _log_odds(shares: Floats) -> Floats:
    held = np.clip(shares, RAREST, SUREST)
    return np.log(held / (1 - held))


def _quality(given: int, scores_nL: Floats, truth_nL: Bools, threshold: float) -> RestQuality:
    predicted_nL = scores_nL >= threshold
    first_n = scores_nL.argmax(axis=1)
    found = int((predicted_nL & truth_nL).sum())
    micro_f1 = 2 * found / int(predicted_nL.sum() + truth_nL.sum())
    return RestQuality(given, float(truth_nL[np.arange(len(first_n)), first_n].mean()), micro_f1)
