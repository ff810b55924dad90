"""Gradients of label rows, in the two shapes in which they arise."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .table import SCAN_BIAS, LabelTable

Rows = slice | Tensor  # of this rank, counted from its first: some that follow each other, or named ones, none twice


@dataclass(frozen=True)
class RowGradient:
    """The gradient of N rows: of their vectors [N, E] and their biases [N, 2]."""

    vectors_NE: Tensor
    biases_N2: Tensor

    @classmethod
    def split(cls, gradient_NX: Tensor) -> "RowGradient":
        """Take apart what travelled as one tensor."""
        return cls(gradient_NX[:, :-2], gradient_NX[:, -2:])

    @classmethod
    def zeros(cls, table: LabelTable) -> "RowGradient":
        """Begin a sum over all rows of a table."""
        return cls(torch.zeros_like(table.vectors_RE, dtype=table.dtype), torch.zeros_like(table.biases_R2))

    def add(self, rows: Rows, other: "RowGradient") -> None:
        """Add the gradient of some of the rows, which may come from another device."""
        self.vectors_NE[rows] += other.vectors_NE.to(self.vectors_NE.device)
        self.biases_N2[rows] += other.biases_N2.to(self.biases_N2.device)

    def of(self, rows: Rows) -> "RowGradient":
        """Take some of the rows."""
        return RowGradient(self.vectors_NE[rows], self.biases_N2[rows])

    def touched(self) -> Tensor:
        """Tell which rows have a gradient: bool [N]."""
        return self.vectors_NE.any(dim=1) | self.biases_N2.any(dim=1)

    def clear(self) -> None:
        """Begin again."""
        self.vectors_NE.zero_()
        self.biases_N2.zero_()

    def magnitude(self) -> Tensor:
        """Return a number that is finite exactly when all others are."""
        return torch.linalg.vector_norm(self.vectors_NE) + torch.linalg.vector_norm(self.biases_N2)


@dataclass(frozen=True)
class ScanGradient:
    """The gradient of C rows as the scan knows it: the product of errors [Q, C] and weighted queries [Q, E]."""

    errors_QC: Tensor
    queries_QE: Tensor
    weights_Q: Tensor

    def biases_C(self) -> Tensor:
        """Work out the gradient of the scan's biases."""
        return self.errors_QC.T @ self.weights_Q

    def multiplied(self) -> RowGradient:
        """Work it all out; the cloze's biases have none here."""
        biases_C2 = self.errors_QC.new_zeros(self.errors_QC.shape[1], 2)
        biases_C2[:, SCAN_BIAS] = self.biases_C()
        return RowGradient(self.errors_QC.T @ self.queries_QE, biases_C2)


RowGradientSink = Callable[[Rows, ScanGradient], None]
