"""The scan: a one-vs-all classifier over this rank's label rows in one chunked pass, with loss, gradients and top K.

From Q queries it yields the summed binary cross-entropy over all trained labels, the gradients of queries and rows in
closed form, and each query's best labels. At no time is there a Q x R tensor: memory is O(Q * chunk). It knows nothing
of other ranks.

Rows in bf16 are multiplied in fp32, chunk by chunk: a logit of 8 bits would rank many labels alike.

Related: Renee (Jain et al., MLSys 2023) trains classifiers of all labels end to end with the encoder; ELMO (Zhang,
Ullah, Schultheis, Babbar, ICML 2025, arXiv:2510.11168) in chunks whose update is fused with the gradient, as here with
fused row updates.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .gradient import RowGradientSink, Rows, ScanGradient, finish
from .pairs import ChunkPairs, LabelPairs, by_chunk
from .table import SCAN_BIAS, LabelTable, beside
from .top_k import top_k


@dataclass(frozen=True)
class ScanResult:
    """The result of a scan on this rank; what training needs is zero when only ranking.

    Attributes:
        scores_QK: Logits of the best labels of each query, best first.
        ids_QK: Their ids, int64.
        loss: Summed over queries and labels, divided by the normaliser.
        query_gradient_QE: Its gradient.
        asked_N: Logits of the pairs that the task asks about and that lie in this rank's rows, in their order.
    """

    scores_QK: Tensor
    ids_QK: Tensor
    loss: Tensor
    query_gradient_QE: Tensor
    asked_N: Tensor | None


@dataclass(frozen=True)
class ScanTask:
    """What to learn in a scan.

    Attributes:
        positives: Pairs of a query and a true label.
        asked: Pairs whose logits are wanted, whether they are among the best or not.
        weights_Q: Weights of each query; 0: padding.
        normaliser: What the loss is divided by.
        sink: Takes the row gradients, chunk by chunk.
        positive_weights_R: Weight of a positive of each row; None: 1, as a negative has.
        negatives: Weight of the negatives of a chunk, given its number in the whole table; 0: they are left out.
        ignored: Pairs, none of them positive, that take no part in loss and gradients: what a query has been told.
    """

    positives: LabelPairs
    asked: LabelPairs
    weights_Q: Tensor
    normaliser: float
    sink: RowGradientSink
    positive_weights_R: Tensor | None = None
    negatives: Callable[[int], float] = lambda _chunk: 1.0
    ignored: LabelPairs | None = None

    @property
    def pairs(self) -> tuple[LabelPairs, LabelPairs, LabelPairs]:
        """Positives, what is asked, and what is ignored."""
        return self.positives, self.asked, self.asked.nothing if self.ignored is None else self.ignored


@torch.no_grad()
def scan(
    table: LabelTable, queries_QE: Tensor, excluded: LabelPairs, k: int, chunk: int, task: ScanTask | None = None
) -> ScanResult:
    """Score every row for every query; keep the best k that are not excluded.

    With a task, each chunk's row gradient is handed to the sink once the chunk's scores and query gradient have been
    taken: the sink may update the rows at once.

    Args:
        table: This rank's rows.
        queries_QE: Queries, of the type that the table computes in.
        excluded: Pairs that are no candidates.
        k: Candidates of a query; a rank that has fewer rows fills up with id -1 and score -inf.
        chunk: Rows that are scored at a time.
        task: What to learn; None: nothing.
    """
    best = top_k(len(queries_QE), k, like=queries_QE)
    chunks = list(table.range.chunks(chunk))
    cut, (_, *own) = by_chunk(chunks, excluded, *(task.pairs if task else ()))
    learning = _Learning(table, queries_QE, task, own) if task else None
    for labels, (hidden, *pairs) in zip(chunks, cut, strict=True):
        rows = labels.within(table.range)
        vectors_CE = beside(table.vectors_RE[rows], queries_QE)
        logits_QC = torch.addmm(beside(table.biases_R2[rows, SCAN_BIAS], queries_QE), queries_QE, vectors_CE.T)
        best.take(logits_QC, labels, hidden)
        if learning:
            learning.take(rows, vectors_CE, logits_QC, _ChunkTask(labels.start // chunk, *pairs))
    learned = learning.result() if learning else (queries_QE.new_zeros(()), torch.zeros_like(queries_QE), None)
    return ScanResult(*best.result(), *learned)


@dataclass(frozen=True)
class _ChunkTask:
    """What to learn of a chunk: its number in the whole table, and its pairs."""

    number: int
    positives: ChunkPairs
    asked: ChunkPairs
    ignored: ChunkPairs


class _Learning:
    """The loss and its gradients, summed over chunks. Query weights are multiplied in where that costs least."""

    def __init__(self, table: LabelTable, queries_QE: Tensor, task: ScanTask, own: Sequence[LabelPairs]) -> None:
        self.table, self.task = table, task
        self.weights_Q = task.weights_Q.to(queries_QE) / task.normaliser
        self.weighted_QE = queries_QE * self.weights_Q[:, None]
        self.loss, self._sum_QE = queries_QE.new_zeros(()), torch.zeros_like(queries_QE)
        self._positives, asked, _ = own
        # Logits of the pairs of all chunks: a tensor a chunk, even an empty one, would scatter the heap.
        self._hits_N, self._asked_N = queries_QE.new_empty(len(self._positives)), queries_QE.new_empty(len(asked))
        self._num_hits = self._num_asked = 0
        self._scales: list[tuple[float, int]] = []

    def result(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss, the gradient of the queries and the logits that were asked for, once all rows have moved."""
        finish(self.task.sink)
        if self._num_hits:
            self.loss += self._loss_of_positives()
        return self.loss, self._sum_QE * self.weights_Q[:, None], self._asked_N

    def take(self, rows: slice, vectors_CE: Tensor, logits_QC: Tensor, chunk: _ChunkTask) -> None:
        """Learn from a chunk; where its negatives are left out, only the rows of its positives are touched."""
        self._tell(logits_QC, chunk.asked)
        scale, (query_N, column_N) = self.task.negatives(chunk.number), chunk.positives
        if scale:
            if len(chunk.ignored[0]):
                logits_QC[chunk.ignored] = -torch.inf  # no loss and, as sigmoid(-inf) is 0, no gradient
            self._learn(rows, vectors_CE, logits_QC, chunk.positives, scale)
        elif len(column_N):
            kept, column_N = column_N.unique(return_inverse=True)
            self._learn(
                (rows.start + kept).to(self.table.vectors_RE.device),
                vectors_CE[kept],
                logits_QC[:, kept],
                (query_N, column_N),
                scale,
            )

    def _tell(self, logits_QC: Tensor, asked: ChunkPairs) -> None:
        """Keep the logits that are asked for."""
        if len(asked[0]):
            first, self._num_asked = self._num_asked, self._num_asked + len(asked[0])
            self._asked_N[first : self._num_asked] = logits_QC[asked]

    def _learn(self, rows: Rows, vectors_CE: Tensor, logits_QC: Tensor, hits: ChunkPairs, scale: float) -> None:
        trained_C = beside(self.table.trained_R[rows], logits_QC)
        hit_N = logits_QC[hits]
        self.loss.add_((functional.softplus(logits_QC).T @ self.weights_Q) @ trained_C, alpha=scale)
        errors_QC = logits_QC.sigmoid_()
        if scale != 1:
            errors_QC *= scale
        if len(hit_N):
            first, self._num_hits = self._num_hits, self._num_hits + len(hit_N)
            self._hits_N[first : self._num_hits] = hit_N
            self._scales.append((scale, len(hit_N)))
            hit_errors_N = hit_N.sigmoid() - 1
            if self.task.positive_weights_R is not None:
                hit_errors_N *= self.task.positive_weights_R[rows].to(hit_errors_N)[hits[1]]
            errors_QC[hits] = hit_errors_N
        if _may_lack_training(self.table.trained_R[rows]):
            errors_QC *= trained_C
        self._sum_QE.addmm_(errors_QC, vectors_CE)
        self.task.sink(rows, ScanGradient(errors_QC, self.weighted_QE, self.weights_Q))

    def _loss_of_positives(self) -> Tensor:
        """Sum over the positives of all chunks what they lose, in place of what each loses as a negative."""
        rows_N = self._positives.labels_N - self.table.range.start
        losses_N = functional.softplus(-self._hits_N)
        if self.task.positive_weights_R is not None:
            losses_N *= self.task.positive_weights_R[rows_N.to(self.task.positive_weights_R.device)].to(losses_N)
        losses_N -= self._scale_of_positives() * functional.softplus(self._hits_N)
        trained_N = beside(self.table.trained_R[rows_N.to(self.table.trained_R.device)], losses_N)
        return losses_N @ (self.weights_Q[self._positives.queries_N] * trained_N)

    def _scale_of_positives(self) -> Tensor | float:
        if all(scale == 1 for scale, _ in self._scales):
            return 1.0
        scales, counts = zip(*self._scales, strict=True)
        return torch.tensor(scales).repeat_interleave(torch.tensor(counts)).to(self._hits_N)


def _may_lack_training(trained_C: Tensor) -> bool:
    """Tell whether a label lacks training; on a GPU the answer would take longer than a product with zeros."""
    return trained_C.device.type != "cpu" or not bool(trained_C.all())
