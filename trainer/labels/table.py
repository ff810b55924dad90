"""The label table: one row per label, split over ranks in contiguous ranges, outside the module and outside ZeRO.

A row holds the label's vector (E numbers), its bias in the scan and its bias in the cloze: E + 2 = X columns.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sharding import uniform

PURPOSE = 1  # keeps the keyed random numbers of rows apart from those of masks
INITIAL_STD = 0.02
SCAN_BIAS, CLOZE_BIAS = -2, -1  # columns


@dataclass(frozen=True)
class RowRange:
    """The labels start <= id < stop."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @classmethod
    def of_rank(cls, num_labels: int, rank: int, world_size: int) -> "RowRange":
        """Share labels out so that ranges differ by at most one row."""
        return cls(num_labels * rank // world_size, num_labels * (rank + 1) // world_size)


@dataclass(frozen=True)
class LabelTable:
    """This rank's rows [R, X] and which of them have a training record [R]."""

    rows_RX: Tensor
    trained_R: Tensor
    range: RowRange

    def to(self, device: torch.device) -> "LabelTable":
        """Copy to a device."""
        return LabelTable(self.rows_RX.to(device), self.trained_R.to(device), self.range)

    @property
    def vectors_RE(self) -> Tensor:
        """Label vectors, a view."""
        return self.rows_RX[:, :-2]

    @property
    def scan_bias_R(self) -> Tensor:
        """Biases of the scan, a view."""
        return self.rows_RX[:, -2]


def create_table(
    counts_L: np.ndarray, records: int, width: int, seed: int, rows: RowRange, prior: int = SCAN_BIAS
) -> LabelTable:
    """Make new rows: small keyed random vectors, the prior log-odds in the column `prior`, no other bias.

    A row depends on (seed, label id) alone, so that any world size starts from the same table.
    """
    ids = np.arange(rows.start, rows.stop)
    noise = uniform(PURPOSE, seed, ids[:, None], np.arange(width)[None, :])
    counts = counts_L[rows.start : rows.stop]
    share = np.maximum(counts, 0.5) / (records + 1)
    table = torch.zeros(len(rows), width + 2)
    table[:, :-2] = torch.from_numpy((2 * noise - 1) * INITIAL_STD * 3**0.5)
    table[:, prior] = torch.from_numpy(np.log(share) - np.log1p(-share))
    return LabelTable(table, torch.from_numpy(counts > 0), rows)
