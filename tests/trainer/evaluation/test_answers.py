"""Choosing candidates, subsets, a smaller label space, and labels that are excluded, against sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharding import LabelFilter, RecordBatch
from tests.trainer.evaluation.cases import NUM_LABELS, answers, random_answers, ranked, truth
from trainer.evaluation import Answers, Ranked, ask


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


@given(answers(), st.lists(st.sets(st.integers(0, NUM_LABELS - 1)), min_size=8, max_size=8), st.integers(0, 2))
def test_what_is_barred_from_a_record_is_not_true_of_it_and_padding_is_left_out(
    data: Answers, excluded: list[set[int]], padding: int
) -> None:
    total = len(data.ids_NK) + padding
    true = [*truth(data), *[{0, 1}] * padding]
    columns = {"id": list(map(str, range(total))), "labels": pa.array(map(sorted, true), pa.list_(pa.uint32()))}
    weights = np.arange(total) < len(data.ids_NK)
    records = RecordBatch(0, np.arange(total), weights.astype(np.float32), pa.table(columns))
    out = LabelFilter({str(record): np.array(sorted(labels)) for record, labels in enumerate(excluded)}, {})
    for label_filter, left_out in ((out, excluded), (None, [set[int]()] * total)):
        stand_in: Any = Fixed(data, padding, label_filter)
        found = ask(stand_in, records)["scan"]
        assert truth(found) == [own - labels for own, labels in zip(truth(data), left_out, strict=False)]
        assert np.array_equal(found.ids_NK, data.ids_NK)
        assert np.array_equal(found.scores_NK, data.scores_NK)


@dataclass(frozen=True)
class Fixed:
    """A ranker with fixed answers; those for padding repeat the first candidates."""

    answers: Answers
    padding: int
    excluded: LabelFilter | None

    def rank(self, _records: RecordBatch, _given: Sequence[Mapping[int, bool]] = ()) -> dict[str, Ranked]:
        more = ((0, self.padding), (0, 0))
        return {"scan": Ranked(np.pad(self.answers.ids_NK, more), np.pad(self.answers.scores_NK, more))}
