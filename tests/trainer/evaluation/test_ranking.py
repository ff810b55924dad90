"""The ranking metrics against brute-force loops and scikit-learn."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score, precision_score, recall_score

from trainer.evaluation import RankingSums, candidate_hits, inverse_propensity, ranking_sums

NUM_LABELS = 9
KS = (1, 3, 5)


@dataclass(frozen=True)
class Records:
    """Rankings and true labels as plain lists, the form that the loops below read."""

    ranked: list[list[int]]
    true: list[set[int]]
    inverse: list[float]
    weights: list[float]

    def sums(self, first: int = 0, last: int | None = None) -> RankingSums:
        """Hand records first..last to the code under test."""
        chosen = slice(first, last)
        width = len(self.ranked[0]) if self.ranked else 0
        true = [sorted(labels) for labels in self.true[chosen]]
        return ranking_sums(
            np.array(self.ranked[chosen], dtype=np.int64).reshape(len(true), width),
            np.array([label for labels in true for label in labels], dtype=np.uint32),
            np.cumsum([0, *map(len, true)]),
            np.array(self.inverse),
            weights_B=np.array(self.weights[chosen], dtype=np.float32),
            ks=KS,
        )


@st.composite
def records(draw: st.DrawFn) -> Records:
    """Any rankings, some ending in -1, beside any sets of true labels, some empty."""
    num_candidates = draw(st.integers(0, 7))
    num_records = draw(st.integers(0, 6))
    order = st.permutations(range(NUM_LABELS))
    ranked = []
    for _ in range(num_records):
        present = draw(st.integers(0, num_candidates))
        ranked.append(draw(order)[:present] + [-1] * (num_candidates - present))
    true = draw(st.lists(st.sets(st.integers(0, NUM_LABELS - 1)), min_size=num_records, max_size=num_records))
    inverse = draw(st.lists(st.floats(1, 100), min_size=NUM_LABELS, max_size=NUM_LABELS))
    weights = draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=num_records, max_size=num_records))
    return Records(ranked, true, inverse, weights)


def means_by_loop(data: Records) -> dict[str, float]:
    """State every metric again, record by record."""
    rows = [(r, t) for r, t, w in zip(data.ranked, data.true, data.weights, strict=True) if w and t]
    means = {}
    for k in KS:
        precision, recall, ndcg, reached, reachable = 0.0, 0.0, 0.0, 0.0, 0.0
        for ranked, true in rows:
            hits = [place for place, label in enumerate(ranked[:k]) if label in true]
            precision += len(hits) / k
            recall += len(hits) / len(true)
            ideal = sum(1 / math.log2(place + 2) for place in range(min(k, len(true))))
            ndcg += sum(1 / math.log2(place + 2) for place in hits) / ideal
            reached += sum(data.inverse[ranked[place]] for place in hits)
            reachable += sum(sorted((data.inverse[label] for label in true), reverse=True)[:k])
        means |= {f"P@{k}": precision / len(rows), f"R@{k}": recall / len(rows)}
        means |= {f"nDCG@{k}": ndcg / len(rows), f"PSP@{k}": reached / reachable}
    found = sum(len(true & set(ranked)) for ranked, true in rows)
    return means | {"recall@K": found / sum(len(true) for _, true in rows)}


@given(records())
def test_means_equal_a_loop_over_records(data: Records) -> None:
    sums = data.sums()
    counted = [bool(true) for true, weight in zip(data.true, data.weights, strict=True) if weight]
    assert (sums.records, sums.unlabelled) == (sum(counted), len(counted) - sum(counted))
    if sums.records:
        assert sums.means() == pytest.approx(means_by_loop(data))
    else:
        assert all(math.isnan(mean) for mean in sums.means().values())


@given(records(), st.integers(0, 6))
def test_sums_of_any_two_parts_add_up_to_the_sums_of_the_whole(data: Records, cut: int) -> None:
    joined = data.sums(0, cut) + data.sums(cut)
    np.testing.assert_allclose(joined.as_vector(), data.sums().as_vector(), rtol=1e-12)


@given(records())
def test_a_vector_carries_everything_between_ranks(data: Records) -> None:
    sums = data.sums()
    rebuilt = RankingSums.from_vector(sums.as_vector(), KS)
    assert rebuilt.means() == pytest.approx(sums.means(), rel=0, abs=0, nan_ok=True)
    assert rebuilt.unlabelled == sums.unlabelled


@given(records())
def test_no_ranking_beats_the_ideal(data: Records) -> None:
    sums = data.sums()
    if sums.records:
        assert all(0 <= mean <= 1 + 1e-12 for mean in sums.means().values())


def test_a_perfect_ranking_reaches_one() -> None:
    data = Records([[4, 0, 2, 7, 1]], [{0, 1, 2, 4, 7}], [1.0, 2, 3, 4, 9, 6, 7, 3, 8], [1.0])
    means = data.sums().means()
    assert means["P@5"] == means["nDCG@3"] == means["PSP@1"] == means["recall@K"] == 1


def random_indicators(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw true labels and scores without ties, both [20, 12]; every record has a label."""
    generator = np.random.default_rng(seed)
    true = generator.random((20, 12)) < 0.3
    true[:, 0] |= ~true.any(axis=1)
    return true, generator.permuted(np.tile(np.arange(12.0), (20, 1)), axis=1)


@pytest.mark.parametrize("k", KS)
def test_precision_recall_and_ndcg_agree_with_scikit_learn(k: int) -> None:
    true, scores = random_indicators(k)
    ranked = np.argsort(-scores, axis=1)
    sums = ranking_sums(
        ranked[:, :5], true.nonzero()[1], np.cumsum([0, *true.sum(axis=1)]), np.ones(12), weights_B=np.ones(20)
    )
    predicted = np.zeros_like(true)
    np.put_along_axis(predicted, ranked[:, :k], values=True, axis=1)
    means = sums.means()
    assert means[f"P@{k}"] == pytest.approx(precision_score(true, predicted, average="samples"))
    assert means[f"R@{k}"] == pytest.approx(recall_score(true, predicted, average="samples"))
    assert means[f"nDCG@{k}"] == pytest.approx(ndcg_score(true, scores, k=k, ignore_ties=True))


def test_a_missing_candidate_never_hits_the_last_label_of_the_record_before() -> None:
    hits = candidate_hits(np.array([[0], [-1]]), np.array([2]), np.array([0, 1, 1]), num_labels=3)
    assert not hits.any()


def test_propensities_follow_the_published_formula() -> None:
    inverse = inverse_propensity(np.array([0, 1, 1000]), num_records=5000)
    by_hand = [1 + (math.log(5000) - 1) * 2.5**0.55 * (count + 1.5) ** -0.55 for count in (0, 1, 1000)]
    assert inverse == pytest.approx(by_hand)
    assert inverse[0] > inverse[1] > inverse[2] > 1
