"""Gradients of label rows: dense, or as the low-rank product that the scan yields."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .table import SCAN_BIAS, LabelTable

Rows = slice | Tensor  # of this rank, counted from its first: some that follow each other, or named ones, none twice


@dataclass(frozen=True)
class RowGradient:
    """The gradient of N rows.

    Attributes:
        vectors_NE: Gradients of the vectors.
        biases_N2: Gradients of the biases, in the scan and in the cloze.
    """

    vectors_NE: Tensor
    biases_N2: Tensor

    @classmethod
    def split(cls, gradient_NX: Tensor) -> "RowGradient":
        """Split a gradient [N, X] into that of the vectors and that of the biases."""
        return cls(gradient_NX[:, :-2], gradient_NX[:, -2:])

    @classmethod
    def zeros(cls, table: LabelTable) -> "RowGradient":
        """Return zeros for all rows of a table, to which gradients are added."""
        return cls(torch.zeros_like(table.vectors_RE, dtype=table.dtype), torch.zeros_like(table.biases_R2))

    def add(self, rows: Rows, other: "RowGradient") -> None:
        """Add the gradient of some of the rows, which may come from another device."""
        self.vectors_NE[rows] += other.vectors_NE.to(self.vectors_NE.device)
        self.biases_N2[rows] += other.biases_N2.to(self.biases_N2.device)

    def of(self, rows: Rows) -> "RowGradient":
        """Return the gradient of some of the rows."""
        return RowGradient(self.vectors_NE[rows], self.biases_N2[rows])

    def touched(self) -> Tensor:
        """Tell which rows have a gradient: bool [N]."""
        return self.vectors_NE.any(dim=1) | self.biases_N2.any(dim=1)

    def clear(self) -> None:
        """Set all to zero."""
        self.vectors_NE.zero_()
        self.biases_N2.zero_()

    def magnitude(self) -> Tensor:
        """Return a number that is finite exactly when all others are."""
        return torch.linalg.vector_norm(self.vectors_NE) + torch.linalg.vector_norm(self.biases_N2)


def sum_rows(places_N: Tensor, values_NX: Tensor, num_rows: int) -> Tensor:
    """Add values up by place, those of one place in their order: [num_rows, X], the same bits each time.

    `index_add_` does so on a CPU. On a GPU it adds in the order in which threads come.
    """
    if values_NX.device.type == "cpu":
        return values_NX.new_zeros(num_rows, values_NX.shape[1]).index_add_(0, places_N, values_NX)
    return sum_sorted(places_N, values_NX, num_rows)


def sum_sorted(places_N: Tensor, values_NX: Tensor, num_rows: int) -> Tensor:
    """Add values up by place, sorted by it; `benchmarks.sums` measures what that costs."""
    sorted_N, order_N = places_N.sort(stable=True)
    edges = torch.searchsorted(sorted_N, torch.arange(num_rows + 1, device=places_N.device))
    return torch.segment_reduce(values_NX[order_N], "sum", offsets=edges, initial=0, unsafe=True)


@dataclass(frozen=True)
class ScanGradient:
    """The gradient of C rows as the scan yields it, not yet multiplied: errors^T x weighted queries.

    Attributes:
        errors_QC: Errors of the logits.
        queries_QE: Queries, times their weights.
        weights_Q: Weights of the queries.
    """

    errors_QC: Tensor
    queries_QE: Tensor
    weights_Q: Tensor

    def biases_C(self) -> Tensor:
        """Compute the gradient of the scan's biases."""
        return self.errors_QC.T @ self.weights_Q

    def zeros(self, num_rows: int) -> RowGradient:
        """Return zeros for the gradients of so many rows, on the same device."""
        return RowGradient(
            self.queries_QE.new_zeros(num_rows, self.queries_QE.shape[1]), self.queries_QE.new_zeros(num_rows, 2)
        )

    def multiply_into(self, rows: RowGradient) -> None:
        """Compute the product where there is room for it; the cloze's biases keep what they have."""
        torch.mm(self.errors_QC.T, self.queries_QE, out=rows.vectors_NE)
        rows.biases_N2[:, SCAN_BIAS] = self.biases_C()

    def multiplied(self) -> RowGradient:
        """Compute the product; the cloze's biases have no gradient here."""
        biases_C2 = self.errors_QC.new_zeros(self.errors_QC.shape[1], 2)
        biases_C2[:, SCAN_BIAS] = self.biases_C()
        return RowGradient(self.errors_QC.T @ self.queries_QE, biases_C2)


RowGradientSink = Callable[[Rows, ScanGradient], None]


def finish(sink: RowGradientSink) -> None:
    """End a scan: a sink that gathers the gradients of several chunks, see `BlockSink`, applies the last of them."""
    getattr(sink, "finish", lambda: None)()
