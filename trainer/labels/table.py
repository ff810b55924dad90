"""The label table: one row per label, split over ranks in contiguous ranges, outside the module and outside ZeRO.

A row is the label's vector (E numbers, fp32 or bf16) and two biases, in the scan and in the cloze, which are fp32. Rows
that travel are one tensor of E + 2 = X columns.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sharding import uniform

if TYPE_CHECKING:
    from collections.abc import Iterator

PURPOSE = 1  # keeps the keyed random numbers of rows apart from those of masks
INITIAL_STD = 0.02
SCAN_BIAS, CLOZE_BIAS = 0, 1  # columns of the biases
_BLOCK = 65_536  # new rows at a time: numpy draws them in float64


@dataclass(frozen=True)
class RowRange:
    """The labels start <= id < stop."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @classmethod
    def of_rank(cls, num_labels: int, rank: int, world_size: int) -> "RowRange":
        """Split all labels so that the ranges of ranks differ by at most one row."""
        return cls(num_labels * rank // world_size, num_labels * (rank + 1) // world_size)

    def as_slice(self) -> slice:
        """Return a slice of what has one entry for every label."""
        return slice(self.start, self.stop)

    def chunks(self, size: int) -> "Iterator[RowRange]":
        """Cut at the multiples of `size`, so that where the cuts are does not depend on the world size."""
        start = self.start
        while start < self.stop:
            stop = min(start - start % size + size, self.stop)
            yield RowRange(start, stop)
            start = stop

    def within(self, whole: "RowRange") -> slice:
        """Return these rows as a slice of the rows of `whole`."""
        return slice(self.start - whole.start, self.stop - whole.start)


@dataclass(frozen=True)
class LabelTable:
    """This rank's label rows.

    Attributes:
        vectors_RE: fp32 or bf16.
        biases_R2: fp32, in the scan and in the cloze.
        trained_R: bool, which labels have a training record.
        range: The label ids of the rows.
    """

    vectors_RE: Tensor
    biases_R2: Tensor
    trained_R: Tensor
    range: RowRange

    def to(self, device: torch.device) -> "LabelTable":
        """Copy to a device."""
        return LabelTable(self.vectors_RE.to(device), self.biases_R2.to(device), self.trained_R.to(device), self.range)

    @property
    def dtype(self) -> torch.dtype:
        """What is computed in: fp32 where vectors are kept in bf16."""
        return torch.promote_types(self.vectors_RE.dtype, torch.float32)

    def ids(self, rows: slice | Tensor) -> Tensor:
        """Return the label ids of rows, which are counted within this rank."""
        if isinstance(rows, Tensor):
            return self.range.start + rows
        first = self.range.start
        return torch.arange(first + rows.start, first + rows.stop, device=self.vectors_RE.device)

    def rows(self, where: slice | Tensor) -> Tensor:
        """Copy rows in the layout in which they are exchanged: [N, X]."""
        if isinstance(where, Tensor):
            where = where.to(self.vectors_RE.device)
        return torch.cat([self.vectors_RE[where].to(self.dtype), self.biases_R2[where]], dim=1)


def beside(rows: Tensor, other: Tensor) -> Tensor:
    """Copy rows to the type and device of another tensor; from the host to a GPU without waiting for the copy.

    Only what is pinned is copied so. torch keeps and reuses pinned memory: a chunk at a time is pinned, not all rows.
    """
    if rows.device.type == "cpu" and other.device.type == "cuda":
        return rows.pin_memory().to(other.device, non_blocking=True).to(other.dtype)
    return rows.to(other)


def create_table(
    counts_L: np.ndarray,
    records: int,
    width: int,
    seed: int,
    rows: RowRange,
    *,
    prior: int = SCAN_BIAS,
    dtype: torch.dtype = torch.float32,
) -> LabelTable:
    """Make new rows: small keyed random vectors, the prior log-odds in the bias `prior`, 0 in the other.

    A row depends on (seed, label id) alone, so that any world size starts from the same table.

    Args:
        counts_L: Training records of each label.
        records: All training records.
        width: E.
        seed: Seed of the vectors.
        rows: This rank's labels.
        prior: Which of the two biases begins at the log-odds of the label's frequency.
        dtype: Type of the vectors.
    """
    counts = counts_L[rows.start : rows.stop]
    share = np.maximum(counts, 0.5) / (records + 1)
    vectors_RE, biases_R2 = torch.empty(len(rows), width, dtype=dtype), torch.zeros(len(rows), 2)
    for block in rows.chunks(_BLOCK):
        noise = uniform(PURPOSE, seed, np.arange(block.start, block.stop)[:, None], np.arange(width)[None, :])
        vectors_RE[block.within(rows)] = torch.from_numpy((2 * noise - 1) * INITIAL_STD * 3**0.5).to(dtype)
    biases_R2[:, prior] = torch.from_numpy(np.log(share) - np.log1p(-share))
    return LabelTable(vectors_RE, biases_R2, torch.from_numpy(counts > 0), rows)
