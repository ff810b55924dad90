"""Rows and shortlists that travel between ranks, against one table held whole."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.distributed import Ranks
from trainer.labels import LabelTable, RowRange
from trainer.labels.lookup import fetch_rows, plan_route, return_gradients
from trainer.labels.shortlist import is_positive, merge_shortlists

OnRanks = Callable[..., list[Any]]

NUM_LABELS, WIDTH = 11, 3


def whole_table() -> torch.Tensor:
    return torch.arange(NUM_LABELS * WIDTH, dtype=torch.float64).view(NUM_LABELS, WIDTH) + 1


def travel(ranks: Ranks, ids_by_rank: np.ndarray, gradients_by_rank: np.ndarray) -> tuple[Any, ...]:
    own = RowRange.of_rank(NUM_LABELS, ranks.rank, ranks.world_size)
    rows_RX = whole_table()[own.as_slice()]
    table = LabelTable(rows_RX[:, :-2], rows_RX[:, -2:], torch.ones(len(own), dtype=torch.bool), own)
    ids, gradient = torch.from_numpy(ids_by_rank[ranks.rank]), torch.from_numpy(gradients_by_rank[ranks.rank])
    route = plan_route(ids, NUM_LABELS, own, ranks)
    rows_N, gradient_NX = return_gradients(route, ids, gradient, ranks)
    return fetch_rows(route, table, ids, ranks).numpy(), (rows_N + own.start).tolist(), gradient_NX.tolist()


@pytest.mark.ranks
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_rows_arrive_and_gradients_return_to_their_owners(on_ranks: OnRanks, world_size: int) -> None:
    random = np.random.default_rng(world_size)
    ids = random.integers(-1, NUM_LABELS - 1, (world_size, 4, 5))  # repeated ids, empty slots, nobody wants the last
    ids[-1] = -1 if world_size > 1 else ids[-1]  # the last rank wants nothing
    gradients = random.normal(size=(*ids.shape, WIDTH))
    sums = {int(label): gradients[ids == label].sum(axis=0) for label in np.unique(ids[ids >= 0])}
    results = on_ranks(travel, world_size, ids, gradients)
    for asked, (rows, _, _) in zip(ids, results, strict=True):
        expected = np.where(asked[..., None] >= 0, whole_table().numpy()[asked], 0)
        np.testing.assert_array_equal(rows, expected)
    arrived = {label: gradient for _, labels, sums_ in results for label, gradient in zip(labels, sums_, strict=True)}
    assert sum(len(labels) for _, labels, _ in results) == len(arrived)  # each row once, at one owner
    assert arrived.keys() == sums.keys()
    for label, gradient in arrived.items():
        assert gradient == pytest.approx(sums[label], abs=1e-12)


def merge(ranks: Ranks, scores: np.ndarray, ids: np.ndarray) -> tuple[list[Any], list[Any]]:
    own_scores, own_ids = torch.from_numpy(scores[ranks.rank]), torch.from_numpy(ids[ranks.rank])
    merged_scores, merged_ids = merge_shortlists(own_scores, own_ids, ranks)
    return merged_scores.tolist(), merged_ids.tolist()


@pytest.mark.ranks
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_shortlists_of_all_ranks_merge_with_the_lower_label_first_among_equals(
    on_ranks: OnRanks, world_size: int
) -> None:
    k, records = 4, 2
    random = np.random.default_rng(world_size)
    # Whole scores: ties within and across ranks. Rank r holds the labels 10 r to 10 r + 3, some places stay empty.
    scores = random.integers(0, 3, (world_size, world_size * records, k)).astype(float)
    ids = np.broadcast_to(np.arange(world_size)[:, None, None] * 10 + np.arange(k), scores.shape).copy()
    ids[:, 0, 1:] = -1
    scores[ids < 0] = -np.inf
    for rank, (merged_scores, merged_ids) in enumerate(on_ranks(merge, world_size, scores, ids)):
        for record in range(records):
            query = rank * records + record
            found = sorted(zip(-scores[:, query].ravel(), ids[:, query].ravel(), strict=True))[:k]
            assert merged_ids[record] == [label for _, label in found]
            assert merged_scores[record] == [-negative for negative, _ in found]


@given(
    st.lists(st.sets(st.integers(0, 6)), min_size=1, max_size=4),
    st.lists(st.integers(-1, 6), min_size=1, max_size=5),
)
def test_candidates_are_positive_exactly_when_their_record_has_the_label(
    labels: list[set[int]], candidates: list[int]
) -> None:
    pairs = [(record, label) for record, own in enumerate(labels) for label in own]
    record_N, label_N = torch.tensor(pairs, dtype=torch.long).view(-1, 2).T
    ids_BK = torch.tensor([candidates] * len(labels))
    assert is_positive(ids_BK, record_N, label_N, 7).tolist() == [[c in own for c in candidates] for own in labels]
