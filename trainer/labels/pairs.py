"""Pairs (query, label): positives, excluded labels, labels whose score is asked for."""

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

    def find(self, queries: Tensor, labels: Tensor, num_labels: int) -> Tensor:
        """Tell where pairs stand in this order; of a pair that is not here, some place."""
        keys_N, order_N = (self.queries_N * num_labels + self.labels_N).sort()
        places = torch.searchsorted(keys_N, queries * num_labels + labels).clamp(max=max(len(keys_N) - 1, 0))
        return order_N[places] if len(order_N) else places
