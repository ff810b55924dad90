"""Labels of neighbours, sharded over ranks as the records are, and fetched by position."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..distributed import Ranks
from ..labels import RowRange
from ..labels.lookup import plan_route

Ragged = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class RecordLabels:
    """Labels of this rank's records, behind each other.

    Attributes:
        values: int64; record r has values[offsets[r] : offsets[r + 1]].
        offsets: int64 [R + 1].
        range: Records of this rank.
    """

    values: Tensor
    offsets: Tensor
    range: RowRange

    def fetch(self, positions_BK: Tensor, records: int, ranks: Ranks) -> tuple[Tensor, Tensor, Tensor]:
        """Fetch the labels of records from the ranks that have them. A collective.

        Args:
            positions_BK: places in the index of so many `records`, -1: none.
            records: of the index, over all ranks.
            ranks: all of them, in contiguous ranges.

        Returns:
            For each label the row and the column in `positions_BK` that it belongs to, and its id: int64 [N] each.
        """
        route = plan_route(positions_BK, records, self.range, ranks)
        counts_S, served = _taken(self.values, self.offsets, route.served_N)
        sizes_W = [int(part.sum()) for part in counts_S.split(route.served_W)]
        counts_U, _ = ranks.exchange_ragged(counts_S, route.served_W)
        values, _ = ranks.exchange_ragged(served, sizes_W)
        question_N, place_N = (positions_BK >= 0).nonzero(as_tuple=True)
        wanted_N = torch.searchsorted(route.wanted_U, positions_BK[question_N, place_N])
        counts_N, labels = _taken(values, _offsets(counts_U), wanted_N)
        return question_N.repeat_interleave(counts_N), place_N.repeat_interleave(counts_N), labels


def _taken(values: Tensor, offsets: Tensor, rows_N: Tensor) -> Ragged:
    """Copy ragged rows: how long each is [N], and their values behind each other."""
    counts_N = offsets[rows_N + 1] - offsets[rows_N]
    own = _offsets(counts_N)
    shift_N = offsets[rows_N] - own[:-1]
    return counts_N, values[shift_N.repeat_interleave(counts_N) + torch.arange(int(own[-1]))]


def _offsets(counts_N: Tensor) -> Tensor:
    return torch.cat([counts_N.new_zeros(1), counts_N.cumsum(0)])
