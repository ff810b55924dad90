"""Application of row gradients: fused into the scan, chunk by chunk, or buffered and applied once a step."""

from collections.abc import Iterator

import torch
from torch import Tensor

from .gradient import RowGradient, RowGradientSink, Rows, ScanGradient, sum_rows
from .row_optimizer import RowOptimizer, Stage, UpdateContext

_BLOCK = 8192  # rows that are updated out of the buffer at a time: what an update takes beside them is bounded
_GPU_BLOCK = 65_536  # rows of a scan that are updated at a time on a GPU


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
        if self._buffer is None:
            return BlockSink(self.optimizer, UpdateContext(lr, step, Stage.SCAN))
        buffer = self._buffer
        return lambda rows, gradient: buffer.add(rows, gradient.multiplied())

    def hold(self, rows_N: Tensor, gradient_NX: Tensor) -> None:
        """Keep the cloze's row gradients until all ranks have agreed that the step is finite."""
        if not len(rows_N):
            return
        rows_N = rows_N.to(self.optimizer.table.vectors_RE.device)
        gradient = RowGradient.split(gradient_NX)
        if self._buffer is None:
            self._cloze.append((rows_N, gradient))
        else:
            self._buffer.add(rows_N, gradient)

    def magnitude(self) -> Tensor:
        """Return a number that is finite exactly when every gradient held here is."""
        held = [gradient for _, gradient in self._cloze] + ([] if self._buffer is None else [self._buffer])
        magnitudes = [gradient.magnitude() for gradient in held]
        # They may be on two devices: what is on the host goes to the GPU, which then is not waited for.
        device = next((each.device for each in magnitudes if each.device.type != "cpu"), torch.device("cpu"))
        return sum((each.to(device, non_blocking=True) for each in magnitudes), torch.zeros((), device=device))

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


class BlockSink:
    """Updates rows by the gradients of a scan: on a CPU chunk by chunk, on a GPU many chunks at once.

    An update is some forty small kernels, whatever the number of rows; a chunk's rows take part in no later chunk. So
    the gradients of chunks that follow each other are gathered, and `finish` applies the last of them.

    Args:
        optimizer: Optimizer of the rows.
        turn: Learning rate and step.
    """

    def __init__(self, optimizer: RowOptimizer, turn: UpdateContext) -> None:
        self._optimizer, self._turn = optimizer, turn
        self._gathered: RowGradient | None = None
        self._start = self._stop = 0

    def __call__(self, rows: Rows, gradient: ScanGradient) -> None:
        """Take the gradient of a chunk."""
        if not isinstance(rows, slice) or not self._gathers(rows, gradient):
            self.finish()
            self._optimizer.update_by_scan(rows, gradient, self._turn)
            return
        size = rows.stop - rows.start
        if self._gathered is None:
            most = max(size, min(_GPU_BLOCK, len(self._optimizer.table.vectors_RE)))
            self._gathered = gradient.zeros(most)
        if rows.start != self._stop or rows.stop - self._start > len(self._gathered.vectors_NE):
            self.finish()
            self._start = rows.start
        place = slice(rows.start - self._start, rows.stop - self._start)
        gradient.multiply_into(self._gathered.of(place))
        self._stop = rows.stop

    def finish(self) -> None:
        """Update the rows whose gradients are gathered."""
        if self._gathered is not None and self._stop > self._start:
            rows = slice(self._start, self._stop)
            self._optimizer.update(rows, self._gathered.of(slice(0, self._stop - self._start)), self._turn)
        self._start = self._stop

    def _gathers(self, rows: slice, gradient: ScanGradient) -> bool:
        return gradient.errors_QC.device.type != "cpu" and not self._optimizer.adds_products(rows, gradient)


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
