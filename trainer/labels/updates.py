"""When row gradients become new rows: during the scan, or once a step."""

import torch
from torch import Tensor

from .optimizer import RowOptimizer
from .scan import RowGradientSink


class RowUpdates:
    """Row gradients of one step: applied chunk by chunk during the scan (fused), or added up in a buffer.

    Fused needs one micro-step a step and never holds a gradient of the table's size; the cloze's gradients then are a
    second, sparse update. Buffered holds one gradient of this rank's rows and updates each row once.
    """

    def __init__(self, optimizer: RowOptimizer, *, fused: bool) -> None:
        self.optimizer = optimizer
        self._buffer = None if fused else torch.zeros_like(optimizer.rows_RX)
        self._cloze: list[tuple[Tensor, Tensor]] = []

    def sink(self, lr: float, step: int) -> RowGradientSink:
        """Return what the scan hands its row gradients to."""

        def take(start: int, stop: int, gradient: Tensor) -> None:
            if self._buffer is None:
                self.optimizer.update_range(start, stop, gradient, lr, step)
            else:
                self._buffer[start:stop] += gradient

        return take

    def hold(self, rows_N: Tensor, gradient_NX: Tensor) -> None:
        """Keep row gradients of the cloze until all ranks have agreed that the step is sound."""
        self._cloze.append((rows_N, gradient_NX))

    def magnitude(self) -> Tensor:
        """Return a number that is finite exactly when every gradient held here is."""
        held = [gradient for _, gradient in self._cloze] + ([] if self._buffer is None else [self._buffer])
        return torch.stack([torch.linalg.vector_norm(gradient) for gradient in held]).sum()

    def apply(self, lr: float, step: int) -> None:
        """Finish the step."""
        held, self._cloze = self._cloze, []
        if self._buffer is None:
            for rows_N, gradient_NX in held:
                self.optimizer.update_rows(rows_N, gradient_NX, lr, step)
            return
        for rows_N, gradient_NX in held:
            self._buffer.index_add_(0, rows_N, gradient_NX)
        self.optimizer.update_range(0, len(self._buffer), self._buffer, lr, step)
        self._buffer.zero_()

    def discard(self) -> None:
        """Forget what is held; what a fused scan has already written stays."""
        self._cloze.clear()
        if self._buffer is not None:
            self._buffer.zero_()
