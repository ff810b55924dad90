"""The work that is measured: queries, who has which label, and rows whose prior biases fall as real frequencies do."""

from dataclasses import dataclass

import torch
from torch import Tensor

QUERIES, WIDTH, BEST = 64, 256, 128
LABELS_A_RECORD = 5
INITIAL_STD = 0.02
LR = 1e-3


@dataclass(frozen=True)
class Task:
    """Queries [Q, E], pairs (query, label) of positives ordered by query, and the prior log-odds of labels [L]."""

    queries_QE: Tensor
    query_N: Tensor
    label_N: Tensor
    prior_L: Tensor

    def vectors(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Draw the rows' vectors [L, E], the same at each call, without a second copy of them."""
        torch.manual_seed(1)
        shape = len(self.prior_L), self.queries_QE.shape[1]
        return torch.empty(shape, dtype=dtype, device=self.queries_QE.device).normal_(std=INITIAL_STD)


def make_task(labels: int, width: int = WIDTH, queries: int = QUERIES, device: str = "cpu") -> Task:
    """Draw about five labels a query from a power law, most frequent label first; the same numbers at each call."""
    torch.manual_seed(0)
    share_L = (torch.arange(labels) + 10.0) ** -0.9
    share_L *= min(LABELS_A_RECORD / float(share_L.sum()), 0.5 / float(share_L[0]))
    queries_QE = torch.randn(queries, width)
    drawn = torch.multinomial(share_L, queries * LABELS_A_RECORD, replacement=True).view(queries, -1)
    pairs = torch.unique(torch.arange(queries)[:, None] * labels + drawn)
    places = (pairs // labels, pairs % labels, share_L.log() - torch.log1p(-share_L))
    return Task(queries_QE.to(device), *(tensor.to(device) for tensor in places))
