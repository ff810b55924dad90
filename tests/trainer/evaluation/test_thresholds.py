"""The best threshold against exhaustive search, and against the F1 that it gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.evaluation import Answers, LabelCounts, best_threshold

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


def test_the_best_threshold_gives_the_f1_that_it_promises() -> None:
    generator = np.random.default_rng(4)
    ids = generator.permuted(np.tile(np.arange(6), (40, 1)), axis=1)[:, :3]
    scores = generator.normal(size=ids.shape).astype(np.float32)
    true = generator.random((40, 6)) < 0.3
    answers = Answers(ids, scores, true.nonzero()[1], np.cumsum([0, *true.sum(axis=1)]))
    threshold, promised = best_threshold(scores, answers.hits_NK(6), len(answers.labels))
    counts = LabelCounts.zeros(1, 6)
    counts.add(answers, [answers.above_NK(threshold)])
    assert counts.micro_f1_D()[0] == pytest.approx(promised)
