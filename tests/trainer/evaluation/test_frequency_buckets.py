"""Bands of labels by their training records, against loops."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.evaluation.cases import NUM_LABELS, answers, ranked, truth
from trainer.evaluation import FREQUENCY_BUCKETS, Answers, LabelCounts, by_frequency

KS = (1, 3, 5)
TRAINING_RECORDS = st.lists(st.sampled_from([0, 1, 19, 20, 100, 101, 5000]), min_size=NUM_LABELS, max_size=NUM_LABELS)


def band_of(training_records: int) -> str:
    if training_records == 0:
        return "unseen"
    if training_records < 20:
        return "tail"
    return "torso" if training_records <= 100 else "head"


@given(st.integers(0, 10_000))
def test_a_label_belongs_to_exactly_one_band(training_records: int) -> None:
    mine = [band.name for band in FREQUENCY_BUCKETS if band.of(np.array([training_records]))[0]]
    assert mine == [band_of(training_records)]


@given(answers(at_least=1), TRAINING_RECORDS)
def test_each_band_has_its_labels_their_assignments_and_what_was_found_of_these(
    data: Answers, training_records: list[int]
) -> None:
    counts = LabelCounts.zeros(len(KS), NUM_LABELS)
    counts.add(data, [data.top_NK(k) for k in KS])
    bands = {found.band.name: found for found in by_frequency(counts, np.array(training_records))}
    assigned = [label for true in truth(data) for label in true]
    times = Counter(band_of(training_records[label]) for label in assigned)
    for name, found in bands.items():
        assert found.assignments == times[name]
        assert found.labels == len({label for label in assigned if band_of(training_records[label]) == name})
        assert found.share == pytest.approx(times[name] / max(len(assigned), 1))
        hits = [
            sum(
                label in true and band_of(training_records[label]) == name
                for true, labels in zip(truth(data), ranked(data), strict=True)
                for label in labels[:k]
            )
            for k in KS
        ]
        wanted = [hit / times[name] for hit in hits] if times[name] else []
        assert list(found.recall_D) == pytest.approx(wanted)
    assert sum(found.assignments for found in bands.values()) == len(assigned)


def test_bands_are_named_with_their_bounds() -> None:
    assert list(map(str, FREQUENCY_BUCKETS)) == ["head 101+", "torso 20-100", "tail 1-19", "unseen 0"]
