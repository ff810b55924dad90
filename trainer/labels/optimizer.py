"""How rows of the label table move: update rules on whole ranges and on single rows, with state beside each row."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


class RowOptimizer(ABC):
    """An update rule and its state: for each name in `names` a tensor [R, X], or one number a row, [R, 1]."""

    names: tuple[str, ...] = ()
    one_a_row = False

    def __init__(self, rows_RX: Tensor, weight_decay: float, clip: float = 0.0) -> None:
        self.rows_RX = rows_RX
        self.weight_decay, self.clip = weight_decay, clip
        columns = 1 if self.one_a_row else rows_RX.shape[1]
        self.state = {name: rows_RX.new_zeros(len(rows_RX), columns) for name in self.names}

    def update_range(self, start: int, stop: int, gradient: Tensor, lr: float, step: int) -> None:
        """Move rows start..stop (counted within this rank) by their gradient [stop - start, X]; steps count from 1."""
        views = [tensor[start:stop] for tensor in (self.rows_RX, *self.state.values())]
        self._decay(views[0], lr)
        self._move(self._clipped(gradient), lr, step, *views)

    def update_rows(self, rows_N: Tensor, gradient_NX: Tensor, lr: float, step: int) -> None:
        """Move the rows named by `rows_N` (no row twice). Weight decay acts once a step, with the scan's update."""
        tensors = (self.rows_RX, *self.state.values())
        copies = [tensor[rows_N] for tensor in tensors]
        self._move(self._clipped(gradient_NX), lr, step, *copies)
        for tensor, copy in zip(tensors, copies, strict=True):
            tensor[rows_N] = copy

    def _decay(self, rows: Tensor, lr: float) -> None:
        """Decoupled weight decay of label vectors; biases keep their prior."""
        if self.weight_decay:
            rows[:, :-2].mul_(1 - lr * self.weight_decay)

    def _clipped(self, gradient_NX: Tensor) -> Tensor:
        """Shorten each row's gradient to `clip` at most: a norm over all rows would be known only after the scan."""
        return torch.renorm(gradient_NX, 2, 0, self.clip) if self.clip else gradient_NX

    @abstractmethod
    def _move(self, gradient: Tensor, lr: float, step: int, rows: Tensor, *state: Tensor) -> None:
        """Apply the rule in place."""


class Sgd(RowOptimizer):
    """rows -= lr * gradient."""

    def _move(self, gradient: Tensor, lr: float, step: int, rows: Tensor, *state: Tensor) -> None:
        rows.sub_(gradient, alpha=lr)


@dataclass(frozen=True)
class AdamConstants:
    """The constants of Adam, as published."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8


class Adam(RowOptimizer):
    """Adam on the rows that are named, as torch.optim.SparseAdam does it: untouched rows keep their moments."""

    names = ("exp_avg", "exp_avg_sq")
    constants = AdamConstants()

    def _move(self, gradient: Tensor, lr: float, step: int, rows: Tensor, *state: Tensor) -> None:
        mean, square = state
        beta1, beta2 = self.constants.beta1, self.constants.beta2
        mean.lerp_(gradient, 1 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        scale = lr * (1 - beta2**step) ** 0.5 / (1 - beta1**step)
        rows.addcdiv_(mean, square.sqrt().add_(self.constants.epsilon), value=-scale)


class RowwiseAdagrad(RowOptimizer):
    """Adagrad with one sum a row, of the mean square of its gradient: state costs 1 / X of the rows, Adam's twice them.

    Source: Gupta et al., Training Recommender Systems at Scale, 2020 (arXiv:2003.10474), exact row-wise AdaGrad.
    """

    names = ("sum",)
    one_a_row = True
    epsilon = 1e-8

    def _move(self, gradient: Tensor, lr: float, step: int, rows: Tensor, *state: Tensor) -> None:
        (sum_R1,) = state
        sum_R1.add_(gradient.square().mean(dim=1, keepdim=True))
        rows.addcdiv_(gradient, sum_R1.sqrt().add_(self.epsilon), value=-lr)


def row_optimizer(
    name: Literal["adam", "rowwise_adagrad", "sgd"], rows_RX: Tensor, weight_decay: float, clip: float = 0.0
) -> RowOptimizer:
    """Build the optimiser that `labels.optimizer` names."""
    return {"adam": Adam, "rowwise_adagrad": RowwiseAdagrad, "sgd": Sgd}[name](rows_RX, weight_decay, clip)
