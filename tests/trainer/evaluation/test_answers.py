"""Choosing candidates, subsets, and a smaller label space, against sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.evaluation.cases import NUM_LABELS, answers, random_answers, ranked, truth
from trainer.evaluation import Answers


@given(answers(), st.integers(1, 8), st.sampled_from([-np.inf, -1.0, 0.7, np.inf]))
def test_candidates_are_chosen_by_place_or_by_score_and_empty_places_never(
    data: Answers, k: int, threshold: float
) -> None:
    for ids, scores, top, above in zip(
        data.ids_NK, data.scores_NK, data.top_NK(k), data.above_NK(threshold), strict=True
    ):
        assert ids[top].tolist() == [label for label in ids.tolist()[:k] if label >= 0]
        pairs = zip(ids.tolist(), scores.tolist(), strict=True)
        assert ids[above].tolist() == [label for label, score in pairs if label >= 0 and score >= threshold]


@pytest.mark.parametrize("threshold", [-np.inf, 0.0, 0.7, np.inf])
def test_a_record_is_right_if_the_set_of_its_predictions_is_the_set_of_its_labels(threshold: float) -> None:
    data, _ = random_answers(5, records=300, labels=6, candidates=3)
    chosen_NK = data.above_NK(threshold)
    right = [
        set(ids[chosen].tolist()) == true for ids, chosen, true in zip(data.ids_NK, chosen_NK, truth(data), strict=True)
    ]
    assert 0 < sum(right) < 300
    assert data.exactly_right_N(chosen_NK, 6).tolist() == right


@given(answers(), st.sets(st.integers(0, NUM_LABELS - 1)))
def test_in_a_smaller_label_space_other_labels_are_neither_truth_nor_candidates(
    data: Answers, chosen: set[int]
) -> None:
    found = data.among(np.isin(np.arange(NUM_LABELS), list(chosen)))
    kept = [
        (true & chosen, [label for label in labels if label in chosen])
        for true, labels in zip(truth(data), ranked(data), strict=True)
        if true & chosen
    ]
    assert list(zip(truth(found), ranked(found), strict=True)) == kept
    assert all(row == sorted(row, key=lambda label: label < 0) for row in found.ids_NK.tolist()), "a gap in the middle"


@given(answers(), st.sets(st.integers(0, NUM_LABELS - 1)))
def test_a_candidate_keeps_its_score_in_a_smaller_label_space(data: Answers, chosen: set[int]) -> None:
    found = data.among(np.isin(np.arange(NUM_LABELS), list(chosen)))
    kept = [place for place, true in enumerate(truth(data)) if true & chosen]
    for ids, scores, place in zip(found.ids_NK, found.scores_NK, kept, strict=True):
        before = dict(zip(data.ids_NK[place].tolist(), data.scores_NK[place].tolist(), strict=True))
        assert all(
            before[label] == score for label, score in zip(ids.tolist(), scores.tolist(), strict=True) if label >= 0
        )
