"""A streaming top K: the best labels of each query so far, updated with every chunk of logits; on CPUs and on GPUs."""

from typing import Protocol

import torch
from torch import Tensor

from .pairs import ChunkPairs
from .table import RowRange

_WAITING_CHUNKS = 16  # whose best labels are merged at a time on a GPU


class TopK(Protocol):
    """The best labels of Q queries among all chunks that were taken."""

    def take(self, logits_QC: Tensor, labels: RowRange, excluded: ChunkPairs) -> None:
        """Merge the logits of labels whose ids follow all that were taken before; the logits stay as they are."""
        ...

    def result(self) -> tuple[Tensor, Tensor]:
        """Return scores and ids of all that was taken, [Q, K] each, best first; (-inf, -1) where there is none."""
        ...


def top_k(queries: int, k: int, like: Tensor) -> TopK:
    """Choose the way that is fast on a device: on a CPU few logits are looked at twice, a GPU never waits.

    Args:
        queries: Q.
        k: K.
        like: A tensor of the type and on the device of the logits.
    """
    return (StreamingTopK if like.device.type == "cpu" else WaitlessTopK)(queries, k, like)


class StreamingTopK:
    """The best labels of Q queries so far: scores and label ids [Q, K], best first; (-inf, -1) where there is none.

    Of equal scores the lower id is better. Almost no logit of a late chunk is among the best: most chunks are done with
    once their largest logits are known. Of the others, what is above the last place waits until it is worth a merge: as
    many as there are places. It waits in memory that is kept: small new tensors between large ones of every chunk would
    scatter the heap.

    Args:
        queries: Q.
        k: K.
        like: A tensor of the type and on the device of the logits.
    """

    def __init__(self, queries: int, k: int, like: Tensor) -> None:
        self._scores_QK = like.new_full((queries, k), -torch.inf)
        self._ids_QK = torch.full_like(self._scores_QK, -1, dtype=torch.long)
        waiting_N = self._ids_QK.flatten()
        self._waiting = torch.empty_like(waiting_N), self._scores_QK.flatten().clone(), torch.empty_like(waiting_N)
        self._num_waiting = 0

    def take(self, logits_QC: Tensor, labels: RowRange, excluded: ChunkPairs) -> None:
        """Merge the logits of labels whose ids follow all that were taken before."""
        if bool((logits_QC.amax(dim=1) <= self._scores_QK[:, -1]).all()):
            return
        query_N, column_N = self._contenders(logits_QC, excluded).nonzero(as_tuple=True)
        found = query_N, logits_QC[query_N, column_N], column_N + labels.start
        stop = self._num_waiting + len(query_N)
        if stop >= self._scores_QK.numel():
            self._merge(*found)
            return
        for kept, new in zip(self._waiting, found, strict=True):
            kept[self._num_waiting : stop] = new
        self._num_waiting = stop

    def result(self) -> tuple[Tensor, Tensor]:
        """Return scores and ids of all that was taken."""
        self._merge(*(kept[:0] for kept in self._waiting))
        return self._scores_QK, self._ids_QK

    def _merge(self, *found: Tensor) -> None:
        """Merge in what waits and what was found behind it: queries, scores and ids, each [N]."""
        waiting = (kept[: self._num_waiting] for kept in self._waiting)
        scores, ids = self._padded(*(torch.cat(parts) for parts in zip(waiting, found, strict=True)))
        scores, ids = torch.cat([self._scores_QK, scores], dim=1), torch.cat([self._ids_QK, ids], dim=1)
        order_QK = scores.argsort(dim=1, descending=True, stable=True)[:, : self._scores_QK.shape[1]]
        self._scores_QK, self._ids_QK = scores.gather(1, order_QK), ids.gather(1, order_QK)
        self._num_waiting = 0

    def _contenders(self, logits_QC: Tensor, excluded: ChunkPairs) -> Tensor:
        """Mark what beats the last place; where places are free, what is among the best of its own chunk."""
        last_Q1 = self._scores_QK[:, -1:]
        if bool(last_Q1.isneginf().any()):
            open_QC = logits_QC.index_put(excluded, logits_QC.new_tensor(-torch.inf))
            own_Q1 = open_QC.topk(min(self._scores_QK.shape[1], open_QC.shape[1])).values[:, -1:]
            contends_QC = logits_QC >= torch.maximum(last_Q1, own_Q1)
        else:
            contends_QC = logits_QC > last_Q1
        contends_QC[excluded] = False
        return contends_QC

    def _padded(self, query_N: Tensor, scores_N: Tensor, ids_N: Tensor) -> tuple[Tensor, Tensor]:
        """Give each query a row: [Q, most of a query], in which ids keep their order."""
        query_N, order_N = query_N.sort(stable=True)
        counts_Q = torch.bincount(query_N, minlength=len(self._scores_QK))
        place_N = torch.arange(len(query_N), device=query_N.device) - (counts_Q.cumsum(0) - counts_Q)[query_N]
        scores = scores_N.new_full((len(counts_Q), int(counts_Q.max())), -torch.inf)
        ids = torch.full_like(scores, -1, dtype=torch.long)
        scores[query_N, place_N], ids[query_N, place_N] = scores_N[order_N], ids_N[order_N]
        return scores, ids


class WaitlessTopK:
    """The best labels of Q queries so far, by operations whose sizes the host knows: a GPU is never waited for.

    The best of each chunk wait, and those of several chunks are merged at once. Of equal scores the lower id is better;
    at the last place of a chunk it is the one that torch.topk takes.

    Args:
        queries: Q.
        k: K.
        like: A tensor of the type and on the device of the logits.
    """

    def __init__(self, queries: int, k: int, like: Tensor) -> None:
        self._k, self._num_waiting = k, 0
        self._hidden = like.new_full((), -torch.inf)
        # The best so far stand in front, with lower ids than all that wait.
        self._scores_MQK = like.new_full((1 + _WAITING_CHUNKS, queries, k), -torch.inf)
        self._ids_MQK = torch.full_like(self._scores_MQK, -1, dtype=torch.long)

    def take(self, logits_QC: Tensor, labels: RowRange, excluded: ChunkPairs) -> None:
        """Keep the best of a chunk; of one with fewer labels than K, all."""
        if hidden := len(excluded[0]):
            logits_N = logits_QC[excluded]
            logits_QC[excluded] = self._hidden
        self._num_waiting += 1
        scores_QK, ids_QK = self._scores_MQK[self._num_waiting], self._ids_MQK[self._num_waiting]
        if self._k <= len(labels):
            torch.topk(logits_QC, self._k, dim=1, sorted=False, out=(scores_QK, ids_QK))
        else:
            scores_QK[:, : len(labels)] = logits_QC
            ids_QK[:, : len(labels)] = torch.arange(len(labels), device=ids_QK.device)
            scores_QK[:, len(labels) :] = -torch.inf
        ids_QK.add_(labels.start)
        if hidden:
            logits_QC[excluded] = logits_N  # pyright: ignore[reportPossiblyUnboundVariable]
        if self._num_waiting == _WAITING_CHUNKS:
            self._merge()

    def result(self) -> tuple[Tensor, Tensor]:
        """Return scores and ids of all that was taken."""
        self._merge()
        return self._scores_MQK[0], self._ids_MQK[0]

    def _merge(self) -> None:
        filled = slice(self._num_waiting + 1)
        scores_QN, ids_QN = (part[filled].transpose(0, 1).flatten(1) for part in (self._scores_MQK, self._ids_MQK))
        by_id_QN = ids_QN.argsort(dim=1, stable=True)
        scores_QN, ids_QN = scores_QN.gather(1, by_id_QN), ids_QN.gather(1, by_id_QN)
        order_QK = scores_QN.argsort(dim=1, descending=True, stable=True)[:, : self._k]
        self._scores_MQK[0] = scores_QN.gather(1, order_QK)
        self._ids_MQK[0] = ids_QN.gather(1, order_QK).masked_fill(self._scores_MQK[0].isneginf(), -1)
        self._num_waiting = 0
