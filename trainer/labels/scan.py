"""The scan: a one-vs-all classifier over this rank's label rows in one chunked pass, with loss, gradients and top K.

From Q queries it yields the summed binary cross-entropy over all trained labels, the gradients of queries and rows in
closed form, and each query's best labels. At no time is there a Q x R tensor: memory is O(Q * chunk). It knows nothing
of other ranks.

Rows in bf16 are multiplied in fp32, chunk by chunk: a logit of 8 bits would rank many labels alike.

Related: Renee (Jain et al., MLSys 2023) trains classifiers of all labels end to end with the encoder; ELMO (Zhang,
Ullah, Schultheis, Babbar, ICML 2025, arXiv:2510.11168) in chunks whose update is fused with the gradient, as here with
fused row updates.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .gradient import RowGradientSink, Rows, ScanGradient
from .pairs import LabelPairs
from .table import SCAN_BIAS, LabelTable, RowRange, beside
from .top_k import StreamingTopK


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
    best = StreamingTopK(len(queries_QE), k, like=queries_QE)
    learning = _Learning(table, queries_QE, task) if task else None
    for labels in table.range.chunks(chunk):
        rows = labels.within(table.range)
        vectors_CE = beside(table.vectors_RE[rows], queries_QE)
        logits_QC = torch.addmm(beside(table.biases_R2[rows, SCAN_BIAS], queries_QE), queries_QE, vectors_CE.T)
        best.take(logits_QC, labels, excluded)
        if learning:
            learning.take(labels, vectors_CE, logits_QC, labels.start // chunk)
    learned = learning.result() if learning else (queries_QE.new_zeros(()), torch.zeros_like(queries_QE), None)
    return ScanResult(*best.result(), *learned)


class _Learning:
    """The loss and its gradients, summed over chunks. Query weights are multiplied in where that costs least."""

    def __init__(self, table: LabelTable, queries_QE: Tensor, task: ScanTask) -> None:
        self.table, self.task = table, task
        self.weights_Q = task.weights_Q.to(queries_QE) / task.normaliser
        self.weighted_QE = queries_QE * self.weights_Q[:, None]
        self.loss, self._sum_QE = queries_QE.new_zeros(()), torch.zeros_like(queries_QE)
        self._asked_N = queries_QE.new_empty(len(task.asked.within(table.range)[0]))
        self._num_told = 0

    def result(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss, the gradient of the queries and the logits that were asked for."""
        return self.loss, self._sum_QE * self.weights_Q[:, None], self._asked_N

    def take(self, labels: RowRange, vectors_CE: Tensor, logits_QC: Tensor, number: int) -> None:
        """Learn from a chunk; where its negatives are left out, only the rows of its positives are touched."""
        self._tell(logits_QC, self.task.asked.within(labels))
        rows, scale = labels.within(self.table.range), self.task.negatives(number)
        query_N, column_N = self.task.positives.within(labels)
        if scale:
            if self.task.ignored is not None:
                logits_QC[
                    self.task.ignored.within(labels)
                ] = -torch.inf  # no loss and, as sigmoid(-inf) is 0, no gradient
            self._learn(rows, vectors_CE, logits_QC, (query_N, column_N), scale)
        elif len(column_N):
            kept, column_N = column_N.unique(return_inverse=True)
            self._learn(
                (rows.start + kept).to(self.table.vectors_RE.device),
                vectors_CE[kept],
                logits_QC[:, kept],
                (query_N, column_N),
                scale,
            )

    def _tell(self, logits_QC: Tensor, asked: tuple[Tensor, Tensor]) -> None:
        """Keep the logits that are asked for; a tensor a chunk, even an empty one, would scatter the heap."""
        if len(asked[0]):
            told, self._num_told = self._num_told, self._num_told + len(asked[0])
            self._asked_N[told : self._num_told] = logits_QC[asked]

    def _learn(
        self, rows: Rows, vectors_CE: Tensor, logits_QC: Tensor, hits: tuple[Tensor, Tensor], scale: float
    ) -> None:
        trained_C = self.table.trained_R[rows].to(logits_QC.device)
        hit_N = logits_QC[hits]
        self.loss += scale * ((functional.softplus(logits_QC).T @ self.weights_Q) @ trained_C.to(logits_QC))
        errors_QC = logits_QC.sigmoid_()
        if scale != 1:
            errors_QC *= scale
        if len(hit_N):
            weight_N = self._positive_weights(rows, hits)
            losses_N = weight_N * functional.softplus(-hit_N) - scale * functional.softplus(hit_N)
            self.loss += losses_N @ (self.weights_Q[hits[0]] * trained_C[hits[1]])
            errors_QC[hits] = weight_N * (hit_N.sigmoid() - 1)
        if not bool(trained_C.all()):
            errors_QC[:, ~trained_C] = 0
        self._sum_QE.addmm_(errors_QC, vectors_CE)
        self.task.sink(rows, ScanGradient(errors_QC, self.weighted_QE, self.weights_Q))

    def _positive_weights(self, rows: Rows, hits: tuple[Tensor, Tensor]) -> Tensor:
        if self.task.positive_weights_R is None:
            return torch.ones_like(hits[1], dtype=self.weights_Q.dtype)
        return self.task.positive_weights_R[rows].to(self.weights_Q)[hits[1]]
