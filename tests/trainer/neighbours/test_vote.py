"""The vote of neighbours against a loop over dicts."""

from collections import defaultdict

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.neighbours import Neighbours, VoteRule, Votes

NUM_LABELS = 7

cosines = st.floats(0, 1, width=32)
neighbour = st.tuples(cosines, st.sets(st.integers(0, NUM_LABELS - 1)))


def neighbours(found: list[list[tuple[float, set[int]]]]) -> Neighbours:
    """Lay out what was found of each question, nearest first, as the index does."""
    most = max(map(len, found), default=0)
    cosines_BK, positions_BK = torch.zeros(len(found), most), torch.full((len(found), most), -1)
    labels: list[tuple[int, int, int]] = []
    for question, own in enumerate(found):
        for place, (cosine, named) in enumerate(sorted(own, key=lambda each: -each[0])):
            cosines_BK[question, place], positions_BK[question, place] = cosine, 100 * question + place
            labels += [(question, place, label) for label in sorted(named)]
    return Neighbours(cosines_BK, positions_BK, *torch.tensor(labels, dtype=torch.long).reshape(-1, 3).T)


def looped(found: list[list[tuple[float, set[int]]]], k: int, power: float) -> list[dict[int, float]]:
    answers = []
    for own in found:
        nearest = sorted(own, key=lambda each: -each[0])[:k]
        total = sum(cosine**power for cosine, _ in nearest)
        votes: dict[int, float] = defaultdict(float)
        for cosine, named in nearest:
            for label in named:
                votes[label] += cosine**power / total if total else 0.0
        answers.append(votes)
    return answers


@given(st.lists(st.lists(neighbour, max_size=5), max_size=4), st.integers(1, 6), st.sampled_from([1, 2, 8]))
def test_a_vote_is_that_of_a_loop(found: list[list[tuple[float, set[int]]]], k: int, power: int) -> None:
    votes = neighbours(found).vote(VoteRule(k, power), NUM_LABELS)
    for ids_M, scores_M, wanted in zip(votes.ids_BM, votes.scores_BM, looped(found, k, power), strict=True):
        real = ids_M >= 0
        assert dict(zip(ids_M[real].tolist(), scores_M[real].tolist(), strict=True)).keys() == wanted.keys()
        # fp32 scores of float64 sums.
        assert np.allclose(scores_M[real], [wanted[label] for label in ids_M[real].tolist()], rtol=1e-6, atol=1e-7)
        assert (scores_M[~real] == 0).all()


@given(st.lists(st.lists(neighbour, max_size=5), min_size=1, max_size=4))
def test_a_row_is_ordered_and_no_longer_than_needed(found: list[list[tuple[float, set[int]]]]) -> None:
    votes = neighbours(found).vote(VoteRule(3, 2), NUM_LABELS)
    assert ((votes.scores_BM >= 0) & (votes.scores_BM <= 1)).all()
    assert (votes.scores_BM.diff(dim=1) <= 0).all()
    assert votes.ids_BM.shape[1] == max(int((row >= 0).sum()) for row in votes.ids_BM)
    for ids_M, scores_M in zip(votes.ids_BM.tolist(), votes.scores_BM.tolist(), strict=True):
        real = [(-score, label) for score, label in zip(scores_M, ids_M, strict=True) if label >= 0]
        assert [label >= 0 for label in ids_M] == sorted((label >= 0 for label in ids_M), reverse=True)
        assert len({label for _, label in real}) == len(real)


def test_of_equal_votes_the_lower_label_comes_first() -> None:
    votes: Votes = neighbours([[(0.5, {4, 1}), (0.5, {2})]]).vote(VoteRule(2, 8), NUM_LABELS)
    assert votes.ids_BM.tolist() == [[1, 2, 4]]
    assert votes.scores_BM.tolist() == [[0.5, 0.5, 0.5]]


def test_a_tiny_likeness_still_votes() -> None:
    votes = neighbours([[(1e-30, {3})]]).vote(VoteRule(1, 32), NUM_LABELS)
    assert (votes.ids_BM.tolist(), votes.scores_BM.tolist()) == ([[3]], [[1.0]])
