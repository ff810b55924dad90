"""Forced candidates: labels that training asks about beside the shortlist, true ones with false ones as frequent.

A true label alone would teach that a low score in the scan means YES. Its false ones are matched by frequency, or
frequency would tell them apart. Randomness is keyed as in `masking.py`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .masking import RecordKeys

WHICH, MATCH = 26, 27
DRAWN = 8  # false labels of a true one: more than are used, because the scan proposes some of them


@dataclass(frozen=True)
class Injection:
    """Chooses forced candidates.

    Attributes:
        groups: True labels of a record, each with false ones that are near by frequency.
        by_frequency_L: Label ids, the most frequent first.
    """

    groups: int
    by_frequency_L: np.ndarray

    @cached_property
    def rank_L(self) -> np.ndarray:
        """Place of each label by frequency, 0 for the most frequent."""
        return np.argsort(self.by_frequency_L)

    @classmethod
    def of(cls, groups: int, counts_L: np.ndarray) -> "Injection":
        """Order labels from frequent to rare."""
        return cls(groups, np.argsort(-counts_L, kind="stable"))

    def ask(self, labels: np.ndarray, offsets: np.ndarray, hidden_BV: np.ndarray, keys: RecordKeys) -> np.ndarray:
        """Choose for each record true labels that are not hidden, and false ones: [B, groups, 1 + DRAWN], -1: none."""
        true_BG = self._true(labels, offsets, hidden_BV, keys)
        false_BGA = self._near(true_BG, keys)
        size = len(self.by_frequency_L)
        record_B11 = np.arange(len(true_BG))[:, None, None] * size
        owned = np.repeat(record_B11.ravel(), np.diff(offsets)) + labels
        taken_BGA = np.isin(record_B11 + false_BGA, np.append(owned, _keys(hidden_BV, size)))
        false_BGA[taken_BGA | _repeated(false_BGA) | (true_BG < 0)[..., None]] = -1
        return np.concatenate([true_BG[..., None], false_BGA], axis=2)

    def _true(self, labels: np.ndarray, offsets: np.ndarray, hidden_BV: np.ndarray, keys: RecordKeys) -> np.ndarray:
        record_N = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        size = len(self.by_frequency_L)
        hidden_N = np.isin(record_N * size + labels, _keys(hidden_BV, size))
        order_N = np.lexsort((keys.per_label(WHICH, record_N, labels), hidden_N, record_N))
        place_N = np.arange(len(labels)) - offsets[record_N]
        chosen_N = (place_N < self.groups) & ~hidden_N[order_N]
        true_BG = np.full((len(offsets) - 1, self.groups), -1, dtype=np.int64)
        true_BG[record_N[chosen_N], place_N[chosen_N]] = labels[order_N][chosen_N]
        return true_BG

    def _near(self, true_BG: np.ndarray, keys: RecordKeys) -> np.ndarray:
        """Draw labels from a tenth of all that are more frequent, at least 32, and as many that are less."""
        size = len(self.by_frequency_L)
        rank_BG = self.rank_L[true_BG.clip(min=0)]
        reach_BG = np.maximum(32, rank_BG // 10)
        first_BG = np.minimum(rank_BG - reach_BG, size - 1 - 2 * reach_BG).clip(min=0)
        span_BG = np.minimum(2 * reach_BG + 1, size)
        share_BGA = keys.per_column(MATCH, self.groups * DRAWN).reshape(*true_BG.shape, DRAWN)
        return self.by_frequency_L[first_BG[..., None] + (share_BGA * span_BG[..., None]).astype(np.int64)]


def _keys(labels_BV: np.ndarray, size: int) -> np.ndarray:
    """Name pairs (record, label) by one number each; empty places have none."""
    return (np.arange(len(labels_BV))[:, None] * size + labels_BV)[labels_BV >= 0]


def _repeated(labels_BGA: np.ndarray) -> np.ndarray:
    """Mark what stands in its record before."""
    flat_BN = labels_BGA.reshape(len(labels_BGA), -1)
    earlier_NN = np.tri(flat_BN.shape[1], k=-1, dtype=bool)
    return ((flat_BN[:, :, None] == flat_BN[:, None, :]) & earlier_NN).any(axis=2).reshape(labels_BGA.shape)
