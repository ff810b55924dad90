"""Sparse optimizers of the label table (Adam, row-wise Adagrad, SGD): updates of row ranges or of single rows."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from .gradient import RowGradient, Rows, ScanGradient
from .rounding import round_to_bf16
from .table import SCAN_BIAS, LabelTable


class Stage(IntEnum):
    """The two updates of a step that may meet the same row."""

    SCAN = 0
    CLOZE = 1


@dataclass(frozen=True)
class UpdateContext:
    """What an update depends on beside rows and gradient.

    Attributes:
        lr: Learning rate.
        step: Optimizer step, from 1 on.
        stage: Which of the two updates of a step it is.
    """

    lr: float
    step: int
    stage: Stage


class RowOptimizer(ABC):
    """An update rule and its state: for each of `names` one tensor for the vectors, and one [R, 2] for the biases.

    Weight decay shrinks the vectors of the scan's updates but for labels without a training record, of which it learns
    nothing; biases keep their prior.

    Args:
        table: This rank's rows.
        weight_decay: Decoupled; the share of a vector is lr * weight_decay.
        clip: The longest gradient of a row; 0: any.
        seed: Seed of the stochastic rounding of bf16 vectors.
    """

    names: tuple[str, ...] = ()
    one_a_row = False
    rests_without_gradient = True  # a row whose gradient is zero stays what it is

    def __init__(self, table: LabelTable, weight_decay: float, clip: float = 0.0, seed: int = 0) -> None:
        self.table, self.weight_decay, self.clip, self.seed = table, weight_decay, clip, seed
        rows, width = table.vectors_RE.shape
        zeros = partial(torch.zeros, dtype=table.dtype, device=table.vectors_RE.device)
        self._vector_state = [zeros(rows, 1 if self.one_a_row else width) for _ in self.names]
        self._bias_state = [zeros(rows, 2) for _ in self.names]

    @property
    def state(self) -> dict[str, Tensor]:
        """The tensors of the state, by name."""
        biases = {f"bias_{name}": tensor for name, tensor in zip(self.names, self._bias_state, strict=True)}
        return dict(zip(self.names, self._vector_state, strict=True)) | biases

    def update_by_scan(self, rows: Rows, gradient: ScanGradient, turn: UpdateContext) -> None:
        """Update rows by a gradient that is still a product."""
        self.update(rows, gradient.multiplied(), turn)

    def adds_products(self, rows: Rows, gradient: ScanGradient) -> bool:
        """Tell whether `update_by_scan` adds a product to rows as it is computed."""
        return False

    def update(self, rows: Rows, gradient: RowGradient, turn: UpdateContext) -> None:
        """Update rows by their gradient, which may come from another device."""
        gradient = self._clipped(gradient)
        self._update_vectors(rows, gradient.vectors_NE, turn)
        self._update_biases(rows, gradient.biases_N2, turn)

    def _update_vectors(self, rows: Rows, gradient_NE: Tensor, turn: UpdateContext) -> None:
        tensors = (self.table.vectors_RE, *self._vector_state)
        values = self.table.vectors_RE[rows].to(self.table.dtype)  # still a view where fp32 rows follow each other
        self._decay(values, rows, turn)
        moved = (values, *(tensor[rows] for tensor in self._vector_state))
        self._move(gradient_NE.to(values.device), turn.lr, turn.step, *moved)
        for tensor, new in zip(tensors, moved, strict=True):
            self._write(tensor, rows, new, turn)

    def _update_biases(self, rows: Rows, gradient_N2: Tensor, turn: UpdateContext) -> None:
        """Update those that have a gradient: the scan has none for the cloze's biases, nor the cloze for the scan's."""
        tensors = (self.table.biases_R2, *self._bias_state)
        gradient_N2 = gradient_N2.to(self.table.biases_R2.device)
        if self.rests_without_gradient and isinstance(rows, slice):
            self._move(gradient_N2, turn.lr, turn.step, *(tensor[rows] for tensor in tensors))
            return
        moved = [tensor[rows].clone() for tensor in tensors]
        self._move(gradient_N2, turn.lr, turn.step, *moved)
        for tensor, new in zip(tensors, moved, strict=True):
            tensor[rows] = torch.where(gradient_N2 != 0, new, tensor[rows])

    def _decay(self, values_NE: Tensor, rows: Rows, turn: UpdateContext) -> None:
        if self.weight_decay and turn.stage is Stage.SCAN:
            values_NE.mul_(1 - turn.lr * self.weight_decay * self.table.trained_R[rows, None].to(values_NE))

    def _write(self, kept: Tensor, rows: Rows, values: Tensor, turn: UpdateContext) -> None:
        if kept.dtype is torch.bfloat16:
            rounded = round_to_bf16(values, self.table.ids(rows), self.seed, turn.step, turn.stage)
            kept[rows] = rounded if isinstance(rows, slice) else rounded.to(kept)
        elif isinstance(rows, Tensor):
            kept[rows] = values

    def _clipped(self, gradient: RowGradient) -> RowGradient:
        """Shorten each row's gradient to `clip` at most: a norm over all rows would be known only after the scan."""
        if not self.clip:
            return gradient
        norms_N1 = torch.cat([gradient.vectors_NE, gradient.biases_N2], dim=1).norm(dim=1, keepdim=True)
        scale_N1 = (self.clip / norms_N1).clamp(max=1)
        return RowGradient(gradient.vectors_NE * scale_N1, gradient.biases_N2 * scale_N1)

    @abstractmethod
    def _move(self, gradient: Tensor, lr: float, step: int, rows: Tensor, *state: Tensor) -> None:
        """Apply the rule in place, to vectors or to biases."""


class Sgd(RowOptimizer):
    """Plain stochastic gradient descent: rows -= lr * gradient."""

    def adds_products(self, rows: Rows, gradient: ScanGradient) -> bool:
        """Tell whether vectors are fp32, follow each other, and are beside their gradient, which is not clipped."""
        errors_QC, vectors_RE = gradient.errors_QC, self.table.vectors_RE
        alike = vectors_RE.dtype == errors_QC.dtype and vectors_RE.device == errors_QC.device
        return isinstance(rows, slice) and alike and not self.clip

    def update_by_scan(self, rows: Rows, gradient: ScanGradient, turn: UpdateContext) -> None:
        """Add the product to fp32 vectors as it is computed; elsewhere it is computed first."""
        if not self.adds_products(rows, gradient):
            super().update_by_scan(rows, gradient, turn)
            return
        errors_QC, vectors = gradient.errors_QC, self.table.vectors_RE[rows]
        self._decay(vectors, rows, turn)
        vectors.addmm_(errors_QC.T, gradient.queries_QE, alpha=-turn.lr)
        self.table.biases_R2[rows, SCAN_BIAS] -= turn.lr * gradient.biases_C()

    def _move(self, gradient: Tensor, lr: float, step: int, rows: Tensor, *state: Tensor) -> None:
        rows.sub_(gradient, alpha=lr)


@dataclass(frozen=True)
class AdamConstants:
    """The constants of Adam, as published."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8


class Adam(RowOptimizer):
    """Lazy Adam, as torch.optim.SparseAdam: only the rows of an update change, all others keep their moments.

    Source: Kingma, Ba, Adam: A Method for Stochastic Optimization, ICLR 2015 (arXiv:1412.6980); the bias correction
    counts the steps of the run, as in SparseAdam, not those of a row.
    """

    names = ("exp_avg", "exp_avg_sq")
    rests_without_gradient = False
    constants = AdamConstants()

    def _move(self, gradient: Tensor, lr: float, step: int, rows: Tensor, *state: Tensor) -> None:
        mean, square = state
        beta1, beta2 = self.constants.beta1, self.constants.beta2
        mean.lerp_(gradient, 1 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        scale = lr * (1 - beta2**step) ** 0.5 / (1 - beta1**step)
        rows.addcdiv_(mean, square.sqrt().add_(self.constants.epsilon), value=-scale)


class RowwiseAdagrad(RowOptimizer):
    """Row-wise Adagrad: one sum a vector, of the mean square of its gradient.

    So there is next to no state, where Adam has twice the rows. Biases have a sum each. Source: Gupta et al., Training
    Recommender Systems at Scale, 2020 (arXiv:2003.10474), exact row-wise AdaGrad.
    """

    names = ("sum",)
    one_a_row = True
    epsilon = 1e-8

    def _move(self, gradient: Tensor, lr: float, step: int, rows: Tensor, *state: Tensor) -> None:
        (sums,) = state
        if sums.shape == gradient.shape:
            sums.addcmul_(gradient, gradient)
        else:
            norms_N1 = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)  # no tensor of squares
            sums.addcmul_(norms_N1, norms_N1, value=1 / gradient.shape[1])
        rows.addcdiv_(gradient, sums.sqrt().add_(self.epsilon), value=-lr)


def row_optimizer(
    name: Literal["adam", "rowwise_adagrad", "sgd"],
    table: LabelTable,
    weight_decay: float,
    clip: float = 0.0,
    seed: int = 0,
) -> RowOptimizer:
    """Build the optimiser that `labels.optimizer` names."""
    return {"adam": Adam, "rowwise_adagrad": RowwiseAdagrad, "sgd": Sgd}[name](table, weight_decay, clip, seed)
