"""Pairs (query, label): positives, excluded labels, labels whose score is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .table import RowRange


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

    def within(self, rows: RowRange) -> tuple[Tensor, Tensor]:
        """Take the pairs of some labels, as (query, place among these labels)."""
        edges = torch.searchsorted(self.labels_N, torch.tensor([rows.start, rows.stop], device=self.labels_N.device))
        chosen = slice(int(edges[0]), int(edges[1]))
        return self.queries_N[chosen], self.labels_N[chosen] - rows.start

    def __len__(self) -> int:
        return len(self.labels_N)

    @property
    def nothing(self) -> "LabelPairs":
        """Return no pairs, on the same device."""
        return LabelPairs(self.queries_N[:0], self.labels_N[:0])

    def find(self, queries: Tensor, labels: Tensor, num_labels: int) -> Tensor:
        """Tell where pairs stand in this order; of a pair that is not here, some place."""
        keys_N, order_N = (self.queries_N * num_labels + self.labels_N).sort()
        places = torch.searchsorted(keys_N, queries * num_labels + labels).clamp(max=max(len(keys_N) - 1, 0))
        return order_N[places] if len(order_N) else places


ChunkPairs = tuple[Tensor, Tensor]  # queries, and places among the labels of a chunk


def by_chunk(chunks: Sequence[RowRange], *kinds: LabelPairs) -> tuple[list[list[ChunkPairs]], list[LabelPairs]]:
    """Cut several kinds of pairs into those of each chunk: on a GPU, one wait for all of them.

    Args:
        chunks: Ranges of labels that follow each other.
        kinds: Pairs; those of other labels are left out.

    Returns:
        For each chunk, the pairs of each kind; and of each kind, the pairs of all chunks.
    """
    if not chunks:
        return [], [pairs.nothing for pairs in kinds]
    device = kinds[0].labels_N.device
    edges_C = torch.tensor([chunks[0].start, *(labels.stop for labels in chunks)]).to(device, non_blocking=True)
    places = torch.stack([torch.searchsorted(pairs.labels_N, edges_C) for pairs in kinds]).tolist()
    cut: list[list[ChunkPairs]] = [[] for _ in chunks]
    together = []
    for pairs, edges in zip(kinds, places, strict=True):
        inside = slice(edges[0], edges[-1])
        inner = LabelPairs(pairs.queries_N[inside], pairs.labels_N[inside])
        numbers_N = torch.searchsorted(edges_C, inner.labels_N, right=True) - 1
        columns_N = inner.labels_N - edges_C[numbers_N]
        for own, start, stop in zip(cut, edges[:-1], edges[1:], strict=True):
            place = slice(start - edges[0], stop - edges[0])
            own.append((inner.queries_N[place], columns_N[place]))
        together.append(inner)
    return cut, together
