"""Application of row gradients: fused into the scan, chunk by chunk, or buffered and applied once a step."""

from collections.abc import Iterator

import torch
from torch import Tensor

from .gradient import RowGradient, RowGradientSink, Rows, ScanGradient, sum_rows
from .row_optimizer import RowOptimizer, Stage, UpdateContext

_BLOCK = 8192  # rows that are updated out of the buffer at a time: what an update takes beside them is bounded


class RowUpdates:
    """Row gradients of one step: applied chunk by chunk during the scan (fused), or added up in a buffer.

    Fused needs one micro-step a step and never holds a gradient of the table's size; the cloze's gradients then are a
    second, sparse update. Buffered holds one gradient of this rank's rows, in fp32, and updates each row once, if it
    has a gradient: one that no micro-step touched stays what it is.

    Args:
        optimizer: Optimizer of the rows.
        fused: Whether updates are fused; else they are buffered.
    """

    def __init__(self, optimizer: RowOptimizer, *, fused: bool) -> None:
        self.optimizer = optimizer
        self._buffer = None if fused else RowGradient.zeros(optimizer.table)
        self._cloze: list[tuple[Tensor, RowGradient]] = []

    def sink(self, lr: float, step: int) -> RowGradientSink:
        """Return the function to which the scan passes its row gradients."""
        turn = UpdateContext(lr, step, Stage.SCAN)

        def take(rows: Rows, gradient: ScanGradient) -> None:
            if self._buffer is None:
                self.optimizer.update_by_scan(rows, gradient, turn)
            else:
                self._buffer.add(rows, gradient.multiplied())

        return take

    def hold(self, rows_N: Tensor, gradient_NX: Tensor) -> None:
        """Keep the cloze's row gradients until all ranks have agreed that the step is finite."""
        rows_N = rows_N.to(self.optimizer.table.vectors_RE.device)
        gradient = RowGradient.split(gradient_NX)
        if self._buffer is None:
            self._cloze.append((rows_N, gradient))
        else:
            self._buffer.add(rows_N, gradient)

    def magnitude(self) -> Tensor:
        """Return a number that is finite exactly when every gradient held here is."""
        held = [gradient for _, gradient in self._cloze] + ([] if self._buffer is None else [self._buffer])
        return torch.stack([gradient.magnitude().cpu() for gradient in held]).sum()  # they may be on two devices

    def apply(self, lr: float, step: int) -> None:
        """Apply what is held, at the end of the step."""
        held, self._cloze = self._cloze, []
        if self._buffer is None:
            if held:
                self.optimizer.update(*_summed(held), UpdateContext(lr, step, Stage.CLOZE))
            return
        for rows, gradient in _touched(self._buffer):
            self.optimizer.update(rows, gradient, UpdateContext(lr, step, Stage.SCAN))
        self._buffer.clear()

    def discard(self) -> None:
        """Drop what is held; what a fused scan has already written stays."""
        self._cloze.clear()
        if self._buffer is not None:
            self._buffer.clear()


def _summed(held: list[tuple[Tensor, RowGradient]]) -> tuple[Tensor, RowGradient]:
    """Sum gradients of rows that were looked up more than once: a rule with a state must update a row once."""
    if len(held) == 1:
        return held[0]
    rows_N, where = torch.unique(torch.cat([rows for rows, _ in held]), return_inverse=True)
    vectors, biases = (
        torch.cat([getattr(gradient, part) for _, gradient in held]) for part in ("vectors_NE", "biases_N2")
    )
    where = where.to(vectors.device)
    return rows_N, RowGradient(sum_rows(where, vectors, len(rows_N)), sum_rows(where, biases, len(rows_N)))


def _touched(buffer: RowGradient) -> Iterator[tuple[Rows, RowGradient]]:
    """Go through the rows that have a gradient, block by block; where all of a block have one, as a slice."""
    for start in range(0, len(buffer.vectors_NE), _BLOCK):
        block = slice(start, min(start + _BLOCK, len(buffer.vectors_NE)))
        gradient = buffer.of(block)
        touched_N = gradient.touched()
        rows = block if bool(touched_N.all()) else start + touched_N.nonzero().squeeze(1)
        yield rows, gradient if isinstance(rows, slice) else buffer.of(rows)
