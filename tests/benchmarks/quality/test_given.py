"""What labels known beforehand are worth: the bookkeeping, against sets and loops."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.quality import given
from sharding import RecordBatch
from trainer.evaluation import Answers, Ranked

NUM_LABELS, CANDIDATES, THRESHOLD = 12, 7, 0.3


@pytest.fixture
def records() -> RecordBatch:
    """150 records, each at another place of its split, with 3 to 6 labels."""
    generator = np.random.default_rng(0)
    labels = [generator.permutation(NUM_LABELS)[: generator.integers(3, 7)].tolist() for _ in range(150)]
    table = pa.table({"labels": pa.array(labels, pa.list_(pa.uint32()))})
    return RecordBatch(0, np.arange(150) * 3, np.ones(150, dtype=np.float32), table)


def labels_of(records: RecordBatch) -> list[set[int]]:
    return [set(labels) for labels in records.table["labels"].to_pylist()]


class Told:
    """A ranker with random answers that remembers what it was told, and never answers with it."""

    def __init__(self) -> None:
        self.told: list[Mapping[int, bool]] = []

    def rank(self, records: RecordBatch, told: Sequence[Mapping[int, bool]]) -> dict[str, Ranked]:
        self.told += told
        generator = np.random.default_rng(int(records.positions[0]))
        ids_BK = np.stack([generator.permutation(NUM_LABELS)[:CANDIDATES] for _ in told])
        for ids_K, known in zip(ids_BK, told, strict=True):
            ids_K[np.isin(ids_K, list(known))] = -1
        worse = Ranked(ids_BK[:, ::-1], np.zeros(ids_BK.shape))
        return {"scan": worse, "scan+cloze": Ranked(ids_BK, generator.random(ids_BK.shape))}


def ask(ranker: Told, records: RecordBatch, number: int) -> Answers:
    stand_in: Any = ranker
    return given.ask(stand_in, records, number)


def test_two_labels_of_each_record_are_drawn_whoever_is_read_with_it(records: RecordBatch) -> None:
    drawn = given.draw(records)
    assert all(len(set(pair)) == 2 and set(pair) <= own for pair, own in zip(drawn, labels_of(records), strict=True))
    assert np.array_equal(given.draw(records.slice(40, 90)), drawn[40:90])
    places = {sorted(own).index(pair[0]) for pair, own in zip(drawn, labels_of(records), strict=True)}
    assert len(places) == 6, "not always the same place among a record's labels"


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_model_is_told_the_first_of_the_drawn_labels_and_that_they_are_true(
    records: RecordBatch, number: int
) -> None:
    ranker = Told()
    ask(ranker, records, number)
    assert ranker.told == [dict.fromkeys(pair[:number], True) for pair in given.draw(records).tolist()]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_drawn_labels_count_on_neither_side_given_or_not(records: RecordBatch, number: int) -> None:
    answers = ask(Told(), records, number)
    counted = given.counts(answers, THRESHOLD, NUM_LABELS)
    rankings = [
        Told().rank(part, [{}] * len(part.positions))["scan+cloze"]
        for part in (records.slice(start, start + given.BATCH) for start in range(0, 150, given.BATCH))
    ]
    ids, scores = (np.concatenate([getattr(r, name) for r in rankings]) for name in ("ids_BK", "scores_BK"))
    for own, pair, ids_K, scores_K, counts in zip(
        labels_of(records), given.draw(records), ids, scores, counted, strict=True
    ):
        hidden = own - set(pair)
        predicted = set(ids_K[scores_K >= THRESHOLD]) - set(pair)
        assert counts.tolist() == [len(hidden & predicted), len(predicted), len(hidden)]


def test_f1_is_of_all_records_together() -> None:
    none, one = [[1, 4, 2], [0, 0, 2]], [[2, 4, 2], [1, 1, 2]]
    first, second = given.gains(np.array([none, one]))
    assert (first.given, first.f1, first.gain, first.gain_error) == (0, 2 * 1 / 8, 0, 0)
    assert (second.given, second.f1, second.gain) == (1, 2 * 3 / 9, 2 * 3 / 9 - 2 * 1 / 8)


def test_errors_are_two_standard_errors_over_records() -> None:
    # With one prediction and one label each, F1 is a mean of zeros and ones; 1000 resamples know it to about 2 %.
    found = np.random.default_rng(1).random((2, 800)) < np.array([[0.3], [0.8]])
    counts = np.stack([found, np.ones_like(found), np.ones_like(found)], axis=2).astype(np.int64)
    first, second = given.gains(counts)
    assert first.f1_error == pytest.approx(2 * found[0].std() / 800**0.5, rel=0.1)
    difference = found[1].astype(float) - found[0]
    assert second.gain_error == pytest.approx(2 * difference.std() / 800**0.5, rel=0.1)


def test_a_gain_that_every_record_has_is_certain() -> None:
    counts = np.array([[[1, 2, 2]] * 50, [[2, 2, 2]] * 50])
    assert given.gains(counts)[1] == given.Worth(given=1, f1=1.0, f1_error=0.0, gain=0.5, gain_error=0.0)
