"""Counts per label against scikit-learn, loops over sets, and counts of the parts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score

from tests.trainer.evaluation.cases import NUM_LABELS, answers, indicators, part, random_answers, ranked, truth
from trainer.evaluation import Answers, LabelCounts

KS = (1, 3, 5)


def counted(*parts: Answers) -> LabelCounts:
    counts = LabelCounts.zeros(len(KS), NUM_LABELS)
    for answered in parts:
        counts.add(answered, [answered.top_NK(k) for k in KS])
    return counts


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.7])
def test_f1_agrees_with_scikit_learn_over_the_labels_that_are_present(threshold: float) -> None:
    data, true_NL = random_answers(3)
    decisions = [data.above_NK(threshold), data.top_NK(1), data.top_NK(3)]
    counts = LabelCounts.zeros(3, 8)
    counts.add(data, decisions)
    present = np.flatnonzero(true_NL.any(axis=0))
    assert len(present) < 8
    for place, chosen_NK in enumerate(decisions):
        predicted_NL = indicators(data.ids_NK, chosen_NK, 8)
        assert counts.micro_f1_D()[place] == pytest.approx(f1_score(true_NL, predicted_NL, average="micro"))
        macro = f1_score(true_NL, predicted_NL, average="macro", labels=present, zero_division=0)
        assert counts.macro_f1_D()[place] == pytest.approx(macro)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_recall_of_chosen_labels_agrees_with_scikit_learn(k: int) -> None:
    data, true_NL = random_answers(4, labels=12, candidates=6)
    counts = LabelCounts.zeros(1, 12)
    counts.add(data, [data.top_NK(k)])
    predicted_NL = indicators(data.ids_NK, data.top_NK(k), 12)
    for chosen in ([0, 3, 5], [1], list(range(12))):
        wanted = recall_score(true_NL[:, chosen].ravel(), predicted_NL[:, chosen].ravel())
        assert counts.recall_D(np.isin(np.arange(12), chosen))[0] == pytest.approx(wanted)


@given(answers())
def test_coverage_is_the_share_of_present_labels_that_some_record_got_rightly(data: Answers) -> None:
    present = set[int]().union(*truth(data))
    for k, coverage in zip(KS, counted(data).coverage_D().tolist(), strict=True):
        right = [true & set(labels[:k]) for true, labels in zip(truth(data), ranked(data), strict=True)]
        if present:
            assert coverage == pytest.approx(len(set[int]().union(*right)) / len(present))
        else:
            assert math.isnan(coverage)


@given(answers(), st.integers(0, 6))
def test_counts_of_any_two_parts_add_up_to_the_counts_of_the_whole(data: Answers, cut: int) -> None:
    joined, whole = counted(part(data, 0, cut), part(data, cut)), counted(data)
    for name in ("true_L", "predicted_DL", "found_DL"):
        assert np.array_equal(getattr(joined, name), getattr(whole, name))


def test_without_any_true_label_nothing_can_be_shared_out() -> None:
    counts = LabelCounts.zeros(1, 3)
    assert counts.micro_f1_D().tolist() == [0]
    shares = [counts.macro_f1_D(), counts.coverage_D(), counts.recall_D(np.ones(3, dtype=bool))]
    assert all(math.isnan(share) for [share] in shares)
