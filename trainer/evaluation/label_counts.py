"""Counts by label (true, predicted, found), from which micro and macro F1, coverage and recall are computed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..distributed import Ranks
from .answers import Answers
from .ranking import Bools, Floats, Ints


@dataclass(frozen=True, eq=False)
class LabelCounts:
    """Counts over records, int32, added to in place: O(labels) memory however many records there are.

    Attributes:
        true_L: Records that have the label.
        predicted_DL: Records for which it was predicted, under each of D ways to decide what is predicted.
        found_DL: Records for which it was rightly predicted, likewise.
    """

    true_L: Ints
    predicted_DL: Ints
    found_DL: Ints

    @classmethod
    def zeros(cls, decisions: int, num_labels: int) -> "LabelCounts":
        """Return zeros for so many decisions and labels."""
        whole = np.zeros((2 * decisions + 1, num_labels), dtype=np.int32)
        return cls(whole[0], whole[1 : decisions + 1], whole[decisions + 1 :])

    def add(self, answers: Answers, chosen_DNK: Sequence[Bools]) -> None:
        """Count records, given which candidates are predicted under each decision."""
        hits_NK = answers.hits_NK(len(self.true_L))
        np.add.at(self.true_L, answers.labels, 1)
        for predicted_L, found_L, chosen_NK in zip(self.predicted_DL, self.found_DL, chosen_DNK, strict=True):
            np.add.at(predicted_L, answers.ids_NK[chosen_NK], 1)
            np.add.at(found_L, answers.ids_NK[chosen_NK & hits_NK], 1)

    def over_ranks(self, ranks: Ranks) -> "LabelCounts":
        """Sum over all ranks. A collective."""
        arrays = (self.true_L, self.predicted_DL, self.found_DL)
        return LabelCounts(*(ranks.sum(torch.from_numpy(array)).numpy() for array in arrays))

    def micro_f1_D(self) -> Floats:
        """F1 over all label assignments."""
        return f1(self.found_DL.sum(axis=1), self.predicted_DL.sum(axis=1), self.true_L.sum())

    def macro_f1_D(self) -> Floats:
        """Mean of the F1 of each label that some record here has: labels of other splits do not dilute it."""
        present_L = self.true_L > 0
        each_DP = f1(self.found_DL[:, present_L], self.predicted_DL[:, present_L], self.true_L[present_L])
        return _share(each_DP.sum(axis=1), present_L.sum())

    def coverage_D(self) -> Floats:
        """Share of the labels that some record here has, which are predicted rightly at least once.

        Source: coverage in Schultheis, Wydmuch, Kotlowski, Babbar, Dembczynski, Generalized test utilities for
        long-tail performance, NeurIPS 2023 (arXiv:2311.05081), which divides by the number of all labels.
        """
        return _share((self.found_DL > 0).sum(axis=1), (self.true_L > 0).sum())

    def recall_D(self, slice_L: Bools) -> Floats:
        """Share of the assignments of chosen labels that are predicted; NaN if these labels have none."""
        return _share(self.found_DL[:, slice_L].sum(axis=1), self.true_L[slice_L].sum())


def f1(found: Ints, predicted: Ints, true: Ints | int) -> Floats:
    """Harmonic mean of precision and recall; 0 where nothing is predicted and nothing is true."""
    return 2 * found / np.maximum(predicted + true, 1)


def _share(part: Floats | Ints, whole: Ints) -> Floats:
    with np.errstate(invalid="ignore"):
        return np.divide(part, whole)
