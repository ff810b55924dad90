"""Sharded embedding lookup: label rows are fetched from their owners by all-to-all, and gradients sent back alike.

As in sharded embedding tables of recommender models: ids go to their owners, rows come back, and after the backward
pass their gradients take the same route to the owners, which sum them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from ..distributed import Ranks
from .gradient import sum_rows
from .table import LabelTable, RowRange


@dataclass(frozen=True)
class Route:
    """The routing of one lookup, kept so that gradients can return: counts per rank on both sides.

    Attributes:
        wanted_U: int64, the distinct ids that this rank asked for, ascending, so ordered by owner.
        wanted_W: How many of them each rank owns.
        served_N: int64, the rows of this rank's range that the others asked for, rank 0's first.
        served_W: How many of them each rank asked for.
    """

    wanted_U: Tensor
    wanted_W: list[int]
    served_N: Tensor
    served_W: list[int]


@dataclass(frozen=True)
class RowLookup:
    """The result of a lookup: fetched rows, and the route by which their gradients return.

    Attributes:
        ids: int64 [...], the labels; -1: none.
        rows: [..., X], a leaf of the graph; zeros where there is no label.
        route: Routing of the exchange; None: nothing was asked for, on any rank.
    """

    ids: Tensor
    rows: Tensor
    route: Route | None

    @classmethod
    def fetch(cls, ids: Tensor, num_labels: int, table: LabelTable, ranks: Ranks) -> "RowLookup":
        """Fetch rows from the ranks that own them by all-to-all; an empty slot gets zeros. A collective."""
        route = plan_route(ids, num_labels, table.range, ranks)
        rows = fetch_rows(route, table, ids, ranks)
        return cls(ids, rows.requires_grad_(torch.is_grad_enabled()), route)

    @classmethod
    def nothing(cls, ids: Tensor, table: LabelTable) -> "RowLookup":
        """Return a lookup of no rows, [..., 0], for all ranks alike: nothing is sent, nor do gradients return."""
        rows = ids.new_empty(*ids.shape, table.vectors_RE.shape[1] + 2, dtype=table.dtype)
        return cls(ids, rows.requires_grad_(torch.is_grad_enabled()), None)

    def return_gradients(self, ranks: Ranks) -> tuple[Tensor, Tensor]:
        """Send the rows' gradients to their owners: (rows of this rank [N], gradients [N, X]). A collective.

        The dense loss carries W * accumulation. DeepSpeed divides it by the accumulation before it runs backward, and
        dense gradients by W after it: the second does not reach rows, so it is done here.
        """
        if self.route is None:
            return self.ids.flatten(), self.rows.detach().flatten(0, -2)
        gradient = torch.zeros_like(self.rows) if self.rows.grad is None else self.rows.grad
        return return_gradients(self.route, self.ids, gradient / ranks.world_size, ranks)


def plan_route(ids: Tensor, num_labels: int, own: RowRange, ranks: Ranks) -> Route:
    """Tell every owner which of its rows this rank needs; ids below 0 (empty slots) are not fetched."""
    ids_U = torch.unique(ids)
    stops = [RowRange.of_rank(num_labels, rank, ranks.world_size).stop for rank in range(ranks.world_size)]
    edges = torch.searchsorted(ids_U, torch.tensor([0, *stops]).to(ids.device, non_blocking=True))
    counts_W = edges.diff()
    # What is wanted here and from here is read at once: a GPU is waited for each time.
    (empty, *wanted_W), served_W = _read(torch.cat([edges[:1], counts_W]), ranks.exchange(counts_W))
    wanted_U = ids_U[empty:]
    asked, _ = ranks.exchange_ragged(wanted_U, wanted_W, served_W)
    return Route(wanted_U, wanted_W, asked - own.start, served_W)


def fetch_rows(route: Route, table: LabelTable, ids: Tensor, ranks: Ranks) -> Tensor:
    """Return the rows of `ids` [...] as [..., X]; an empty slot gets zeros. A collective."""
    rows_UX, _ = ranks.exchange_ragged(table.rows(route.served_N).to(ids.device), route.served_W, route.wanted_W)
    rows_UX = torch.cat([rows_UX, rows_UX.new_zeros(1, rows_UX.shape[1])])
    return rows_UX[_places(route, ids)]


def return_gradients(route: Route, ids: Tensor, gradient: Tensor, ranks: Ranks) -> tuple[Tensor, Tensor]:
    """Send gradients of looked-up rows to their owners, which sum them. A collective.

    Args:
        route: Routing of the lookup.
        ids: Labels [...] that were looked up.
        gradient: Gradients of their rows, [..., X].
        ranks: Who shares the table.

    Returns:
        This rank's rows that got a gradient [N], each once, and their gradients [N, X].
    """
    width = gradient.shape[-1]
    sums_UX = sum_rows(_places(route, ids).flatten(), gradient.reshape(-1, width), len(route.wanted_U) + 1)
    arrived, _ = ranks.exchange_ragged(sums_UX[:-1], route.wanted_W, route.served_W)
    if ranks.world_size == 1:
        return route.served_N, arrived  # each row once, ascending
    rows_N, where = torch.unique(route.served_N, return_inverse=True)
    return rows_N, sum_rows(where, arrived, len(rows_N))


def _read(*parts: Tensor) -> Iterator[list[int]]:
    """Read whole numbers [n] of several tensors, waiting once."""
    numbers = iter(torch.cat(parts).tolist())
    return (list(islice(numbers, len(part))) for part in parts)


def _places(route: Route, ids: Tensor) -> Tensor:
    """Where each id stands in `wanted_U`; empty slots point behind its end."""
    places = torch.searchsorted(route.wanted_U, ids.clamp(min=0))
    return torch.where(ids >= 0, places, len(route.wanted_U))
