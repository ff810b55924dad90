"""F1 and subset accuracy at a threshold against exhaustive search, scikit-learn and sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from trainer.evaluation import best_threshold, candidate_hits, f1_at, subset_accuracy

SCORED_HITS = st.lists(st.tuples(st.sampled_from([-1.5, -1.0, 0.0, 0.5, 2.0, 3.0]), st.booleans()), max_size=12)


def micro_f1(threshold: float, pairs: list[tuple[float, bool]], num_positive: int) -> float:
    """Count by hand."""
    predicted = [hit for score, hit in pairs if score >= threshold]
    return 2 * sum(predicted) / max(len(predicted) + num_positive, 1)


@given(SCORED_HITS, st.integers(0, 4))
def test_no_other_threshold_is_better_and_none_as_good_is_higher(pairs: list[tuple[float, bool]], missed: int) -> None:
    num_positive = missed + sum(hit for _, hit in pairs)
    scores, hits = np.array([score for score, _ in pairs]), np.array([hit for _, hit in pairs], dtype=bool)
    threshold, best = best_threshold(scores, hits, num_positive)
    assert best == pytest.approx(micro_f1(threshold, pairs, num_positive))
    for other in [np.inf, *scores]:
        assert (micro_f1(other, pairs, num_positive), other) <= (best, threshold)


def test_candidates_with_equal_scores_are_predicted_together() -> None:
    threshold, best = best_threshold(np.array([1.0, 1.0]), np.array([True, False]), num_positive=1)
    assert (threshold, best) == (1.0, pytest.approx(2 / 3))


def test_without_a_hit_nothing_should_be_predicted() -> None:
    assert best_threshold(np.array([3.0, 1.0]), np.array([False, False]), num_positive=5) == (np.inf, 0.0)


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.7])
def test_f1_agrees_with_scikit_learn_over_the_labels_that_are_present(threshold: float) -> None:
    generator = np.random.default_rng(3)
    num_records, num_labels = 30, 8
    true = generator.random((num_records, num_labels)) < 0.2
    true[:, 5] = False
    ids = generator.permuted(np.tile(np.arange(num_labels), (num_records, 1)), axis=1)[:, :4]
    scores = generator.normal(size=ids.shape)
    ids[generator.random(ids.shape) < 0.1] = -1

    predicted = np.zeros_like(true)
    for record, place in np.argwhere((ids >= 0) & (scores >= threshold)):
        predicted[record, ids[record, place]] = True
    present = np.flatnonzero(true.any(axis=0))
    f1 = f1_at(threshold, ids, scores, true.nonzero()[1], np.cumsum([0, *true.sum(axis=1)]), num_labels=num_labels)
    assert f1.micro == pytest.approx(f1_score(true, predicted, average="micro"))
    assert f1.macro == pytest.approx(f1_score(true, predicted, average="macro", labels=present))


def test_the_best_threshold_gives_the_f1_that_it_promises() -> None:
    generator = np.random.default_rng(4)
    ids = generator.permuted(np.tile(np.arange(6), (40, 1)), axis=1)[:, :3]
    scores = generator.normal(size=ids.shape).astype(np.float32)
    true = generator.random((40, 6)) < 0.3
    values, offsets = true.nonzero()[1], np.cumsum([0, *true.sum(axis=1)])
    threshold, promised = best_threshold(scores, candidate_hits(ids, values, offsets, 6), len(values))
    assert f1_at(threshold, ids, scores, values, offsets, num_labels=6).micro == pytest.approx(promised)


@pytest.mark.parametrize("threshold", [-np.inf, 0.0, 0.7, np.inf])
def test_a_record_is_right_if_the_set_of_its_predictions_is_the_set_of_its_labels(threshold: float) -> None:
    generator = np.random.default_rng(5)
    ids = generator.permuted(np.tile(np.arange(4), (300, 1)), axis=1)[:, :3]
    scores = generator.normal(size=ids.shape)
    ids[generator.random(ids.shape) < 0.3] = -1
    true = generator.random((300, 4)) < 0.25
    right = [
        {label for label, score in zip(*candidates, strict=True) if label >= 0 and score >= threshold}
        == set(np.flatnonzero(labels))
        for *candidates, labels in zip(ids, scores, true, strict=True)
    ]
    values, offsets = true.nonzero()[1], np.cumsum([0, *true.sum(axis=1)])
    assert 0 < sum(right) < 300
    assert subset_accuracy(threshold, ids, scores, values, offsets, num_labels=4) == pytest.approx(np.mean(right))


def test_no_candidates_and_no_labels_score_zero() -> None:
    assert best_threshold(np.empty((0, 4)), np.empty((0, 4), dtype=bool), num_positive=0) == (np.inf, 0.0)
