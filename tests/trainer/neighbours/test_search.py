"""The search of keys on several ranks against the full matrix of cosines."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trainer.distributed import ONE_RANK, Ranks
from trainer.labels import RowRange
from trainer.neighbours.index import RecordLabels
from trainer.neighbours.search import DenseKeys, Keys, SparseKeys, dense_keys, search
from trainer.neighbours.terms import Matrix, count_terms, document_frequencies, inverse_frequencies, weigh

RECORDS, QUESTIONS, WIDTH, K, FEATURES = 53, 11, 6, 5, 2**20
OnRanks = Callable[..., list[Any]]

pytestmark = pytest.mark.ranks


def queries(seed: int, rows: int) -> Tensor:
    return 3 + torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed))


def texts(seed: int, rows: int) -> list[str]:
    draw = random.Random(seed)  # noqa: S311  # texts, not secrets
    return [" ".join(f"word{draw.randrange(30)}" for _ in range(draw.randrange(12))) for _ in range(rows)]


def excluded() -> Tensor:
    """Bar two records from most questions: one that is near, as a rule, and one that is none."""
    return torch.tensor([[question * 5 % RECORDS, -1 if question % 3 else question] for question in range(QUESTIONS)])


def mean() -> Tensor:
    return queries(0, RECORDS).mean(dim=0)


def all_dense() -> Tensor:
    return dense_keys(queries(0, RECORDS), mean()).bfloat16()


def all_sparse() -> tuple[Matrix, np.ndarray]:
    counts = count_terms(texts(0, RECORDS), FEATURES)
    idf_V = inverse_frequencies(document_frequencies(counts), RECORDS)
    return weigh(counts, idf_V), idf_V


def keys_of(kind: str, own: RowRange) -> Keys:
    if kind == "dense":
        return DenseKeys(all_dense()[own.as_slice()], mean(), own)
    keys, idf_V = all_sparse()
    return SparseKeys(keys[own.as_slice()], idf_V, own)


def questions_of(kind: str, own: slice) -> Tensor | list[str]:
    return queries(1, QUESTIONS)[own] if kind == "dense" else texts(1, QUESTIONS)[own]


def own_questions(ranks: Ranks) -> slice:
    """Give the first rank all but two, or all."""
    edges = [0, *(QUESTIONS - ranks.world_size + rank for rank in range(1, ranks.world_size)), QUESTIONS]
    return slice(edges[ranks.rank], edges[ranks.rank + 1])


def find(ranks: Ranks, kind: str, k: int, chunk: int) -> tuple[list[list[float]], list[list[int]]]:
    keys, own = keys_of(kind, RowRange.of_rank(RECORDS, ranks.rank, ranks.world_size)), own_questions(ranks)
    cosines_BK, positions_BK = search(keys, questions_of(kind, own), excluded()[own], k, chunk, ranks)
    return cosines_BK.tolist(), positions_BK.tolist()


def cosines(kind: str) -> np.ndarray:
    """Compute all [questions, records] in float64, what is excluded 0."""
    if kind == "dense":
        centred = (queries(1, QUESTIONS) - mean()).double().numpy()
        whole = centred / np.linalg.norm(centred, axis=1, keepdims=True) @ all_dense().double().numpy().T
    else:
        keys, idf_V = all_sparse()
        asked = weigh(count_terms(texts(1, QUESTIONS), FEATURES), idf_V)
        whole = asked.toarray().astype(np.float64) @ keys.toarray().astype(np.float64).T
    for question, own in enumerate(excluded().tolist()):
        whole[question, [place for place in own if place >= 0]] = 0
    return whole


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize(("world_size", "chunk"), [(1, 7), (2, 7), (3, 100)])
def test_any_number_of_ranks_finds_the_nearest_of_all_records(
    on_ranks: OnRanks, kind: str, world_size: int, chunk: int
) -> None:
    parts = on_ranks(find, world_size, kind, K, chunk)
    found_BK, positions_BK = (np.array([row for part in parts for row in part[which]]) for which in (0, 1))
    for wanted_R, found_K, positions_K in zip(cosines(kind), found_BK, positions_BK, strict=True):
        order = np.lexsort((np.arange(RECORDS), -wanted_R.round(6)))[:K]
        order = order[wanted_R[order] > 0]
        # fp32 sums of six or a dozen terms.
        np.testing.assert_allclose(found_K[: len(order)], wanted_R[order], atol=1e-6)
        np.testing.assert_allclose(wanted_R[positions_K[: len(order)]], wanted_R[order], atol=1e-6)
        assert (positions_K[len(order) :] == -1).all()
        assert (found_K[len(order) :] == 0).all()


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_the_size_of_a_chunk_changes_nothing(kind: str) -> None:
    whole = find(ONE_RANK, kind, K, 1000)
    for chunk in (1, 10, 53):
        found = find(ONE_RANK, kind, K, chunk)
        assert found[1] == whole[1]
        # fp32: a product may be summed in another order in another shape.
        np.testing.assert_allclose(found[0], whole[0], atol=1e-6)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_more_neighbours_than_records_are_filled_up_with_none(kind: str) -> None:
    found, positions = find(ONE_RANK, kind, RECORDS + 4, 10)
    assert {len(row) for row in positions} == {RECORDS + 4}
    for row, wanted_R in zip(positions, cosines(kind), strict=True):
        assert sorted(place for place in row if place >= 0) == np.flatnonzero(wanted_R > 0).tolist()
    assert np.array(found)[np.array(positions) < 0].tolist() == [0] * sum(row.count(-1) for row in positions)


def nobody_asks(ranks: Ranks, kind: str) -> list[int]:
    own = RowRange.of_rank(RECORDS, ranks.rank, ranks.world_size)
    asked = questions_of(kind, slice(0, 0))
    return list(search(keys_of(kind, own), asked, excluded()[:0], K, 7, ranks)[1].shape)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_no_question_has_no_answer(on_ranks: OnRanks, kind: str) -> None:
    assert on_ranks(nobody_asks, 2, kind) == [[0, K]] * 2


LABELS = [[position % 7, 20 + position] if position % 4 else [] for position in range(RECORDS)]


def fetch(ranks: Ranks, positions_WBK: list[list[list[int]]]) -> list[list[int]]:
    own = RowRange.of_rank(RECORDS, ranks.rank, ranks.world_size)
    mine = LABELS[own.as_slice()]
    offsets = torch.tensor([0, *np.cumsum([len(each) for each in mine])])
    labels = RecordLabels(torch.tensor([label for each in mine for label in each]), offsets, own)
    found = labels.fetch(torch.tensor(positions_WBK[ranks.rank], dtype=torch.long).reshape(-1, 3), RECORDS, ranks)
    return torch.stack(found, dim=1).tolist()


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_labels_come_from_the_ranks_that_have_them(on_ranks: OnRanks, world_size: int) -> None:
    positions = [[[52, 0, 1], [1, -1, 30]], [[8, 8, 9]], []][:world_size]
    wanted = [
        [
            [row, column, label]
            for row, places in enumerate(own)
            for column, place in enumerate(places)
            if place >= 0
            for label in LABELS[place]
        ]
        for own in positions
    ]
    assert on_ranks(fetch, world_size, positions) == wanted
