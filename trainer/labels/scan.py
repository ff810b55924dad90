"""The scan: one exact, chunked pass over this rank's rows; knows nothing of other ranks.

From Q queries it yields the summed binary cross-entropy over all trained labels, the gradients of queries and rows in
closed form, and each query's best labels. At no time is there a Q x R tensor: memory is O(Q * chunk).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .table import LabelTable

RowGradientSink = Callable[[int, int, Tensor], None]


@dataclass(frozen=True)
class LabelPairs:
    """Pairs (query, label id), ordered by label, so that the pairs of a chunk lie together."""

    queries_N: Tensor
    labels_N: Tensor

    @classmethod
    def ordered(cls, queries_N: Tensor, labels_N: Tensor) -> "LabelPairs":
        """Order the pairs by label; queries keep their order within a label."""
        labels_N, order_N = torch.sort(labels_N, stable=True)
        return cls(queries_N[order_N], labels_N)

    def within(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Pairs with start <= label < stop, as (query, label - start)."""
        edges = torch.searchsorted(self.labels_N, torch.tensor([start, stop], device=self.labels_N.device))
        chosen = slice(int(edges[0]), int(edges[1]))
        return self.queries_N[chosen], self.labels_N[chosen] - start


@dataclass(frozen=True)
class ScanResult:
    """Best labels of each query on this rank, best first, and what training needs (zero when only ranking)."""

    scores_QK: Tensor
    ids_QK: Tensor
    loss: Tensor
    query_gradient_QE: Tensor


@dataclass(frozen=True)
class ScanTask:
    """What to learn: positives, a weight for each query (0: padding), the normaliser, and where row gradients go."""

    positives: LabelPairs
    weights_Q: Tensor
    normaliser: float
    sink: RowGradientSink


@torch.no_grad()
def scan(
    table: LabelTable, queries_QE: Tensor, excluded: LabelPairs, k: int, chunk: int, task: ScanTask | None = None
) -> ScanResult:
    """Score every row for every query; keep the best k that are not excluded.

    With a task, each chunk's row gradient [rows, X] is handed to the sink as sink(start, stop, gradient) once the
    chunk's scores and query gradient have been taken: the sink may update the rows at once. A rank that has fewer
    than k rows fills up with id -1 and score -inf.
    """
    scores_QK = queries_QE.new_full((len(queries_QE), k), -torch.inf)
    ids_QK = torch.full_like(scores_QK, -1, dtype=torch.long)
    loss = queries_QE.new_zeros(())
    query_gradient_QE = torch.zeros_like(queries_QE)
    for start in range(0, len(table.range), chunk):
        stop = min(start + chunk, len(table.range))
        logits_QC = torch.addmm(table.scan_bias_R[start:stop], queries_QE, table.vectors_RE[start:stop].T)
        scores_QK, ids_QK = _keep_best(scores_QK, ids_QK, logits_QC, table.range.start + start, excluded)
        if task is not None:
            loss += _learn(table, queries_QE, logits_QC, query_gradient_QE, task, start)
    return ScanResult(scores_QK, ids_QK, loss, query_gradient_QE)


def _keep_best(
    scores_QK: Tensor, ids_QK: Tensor, logits_QC: Tensor, first_id: int, excluded: LabelPairs
) -> tuple[Tensor, Tensor]:
    """Merge a chunk into the running top k."""
    k, width = scores_QK.shape[1], logits_QC.shape[1]
    queries, columns = excluded.within(first_id, first_id + width)
    open_QC = (
        logits_QC if not len(queries) else logits_QC.index_put((queries, columns), logits_QC.new_tensor(-torch.inf))
    )
    best, where = open_QC.topk(min(k, width), dim=1)
    merged = torch.cat([scores_QK, best], dim=1)
    merged_ids = torch.cat([ids_QK, (where + first_id).masked_fill(best == -torch.inf, -1)], dim=1)
    scores, chosen = merged.topk(k, dim=1)
    return scores, merged_ids.gather(1, chosen)


def _learn(
    table: LabelTable, queries_QE: Tensor, logits_QC: Tensor, query_gradient_QE: Tensor, task: ScanTask, start: int
) -> Tensor:
    """Return the chunk's loss; turn its logits in place into sigmoid - target, the gradient of BCE in closed form."""
    stop = start + logits_QC.shape[1]
    first_id = table.range.start + start
    queries, columns = task.positives.within(first_id, first_id + logits_QC.shape[1])
    weights_QC = task.weights_Q[:, None] * table.trained_R[start:stop] / task.normaliser
    hits = logits_QC[queries, columns] * weights_QC[queries, columns]
    loss = (functional.softplus(logits_QC) * weights_QC).sum() - hits.sum()
    error_QC = logits_QC.sigmoid_()
    error_QC[queries, columns] -= 1
    error_QC *= weights_QC
    query_gradient_QE.addmm_(error_QC, table.vectors_RE[start:stop])
    gradient_CX = torch.zeros_like(table.rows_RX[start:stop])
    torch.mm(error_QC.T, queries_QE, out=gradient_CX[:, :-2])
    gradient_CX[:, -2] = error_QC.sum(dim=0)
    task.sink(start, stop, gradient_CX)
    return loss
