"""The best labels of each query so far, while chunks of logits pass by."""

import torch
from torch import Tensor

from .pairs import LabelPairs
from .table import RowRange


class RunningBest:
    """Scores and label ids [Q, K], best first; of equal scores the lower id is better. (-inf, -1) where there is none.

    Almost no logit of a late chunk is among the best: most chunks are done with once their largest logits are known,
    and of the others only what is above the last place is looked at, instead of a selection among them all.
    """

    def __init__(self, queries: int, k: int, like: Tensor) -> None:
        self.scores_QK = like.new_full((queries, k), -torch.inf)
        self.ids_QK = torch.full_like(self.scores_QK, -1, dtype=torch.long)

    def take(self, logits_QC: Tensor, labels: RowRange, excluded: LabelPairs) -> None:
        """Merge in the logits of labels that come behind all that were taken before."""
        if bool((logits_QC.amax(dim=1) <= self.scores_QK[:, -1]).all()):
            return
        query_N, column_N = self._contenders(logits_QC, excluded.within(labels)).nonzero(as_tuple=True)
        if not len(query_N):
            return
        scores, ids = self._padded(query_N, logits_QC[query_N, column_N], column_N + labels.start)
        scores, ids = torch.cat([self.scores_QK, scores], dim=1), torch.cat([self.ids_QK, ids], dim=1)
        order_QK = scores.argsort(dim=1, descending=True, stable=True)[:, : self.scores_QK.shape[1]]
        self.scores_QK, self.ids_QK = scores.gather(1, order_QK), ids.gather(1, order_QK)

    def _contenders(self, logits_QC: Tensor, excluded: tuple[Tensor, Tensor]) -> Tensor:
        """Mark what beats the last place; where places are free, what is among the best of its own chunk."""
        last_Q1 = self.scores_QK[:, -1:]
        if bool(last_Q1.isneginf().any()):
            open_QC = logits_QC.index_put(excluded, logits_QC.new_tensor(-torch.inf))
            own_Q1 = open_QC.topk(min(self.scores_QK.shape[1], open_QC.shape[1])).values[:, -1:]
            contends_QC = logits_QC >= torch.maximum(last_Q1, own_Q1)
        else:
            contends_QC = logits_QC > last_Q1
        contends_QC[excluded] = False
        return contends_QC

    def _padded(self, query_N: Tensor, scores_N: Tensor, ids_N: Tensor) -> tuple[Tensor, Tensor]:
        """Give each query a row: [Q, most of a query]."""
        counts_Q = torch.bincount(query_N, minlength=len(self.scores_QK))
        place_N = torch.arange(len(query_N), device=query_N.device) - (counts_Q.cumsum(0) - counts_Q)[query_N]
        scores = scores_N.new_full((len(counts_Q), int(counts_Q.max())), -torch.inf)
        ids = torch.full_like(scores, -1, dtype=torch.long)
        scores[query_N, place_N], ids[query_N, place_N] = scores_N, ids_N
        return scores, ids
