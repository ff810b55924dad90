"""A verdict does not depend on how records are cut into batches and shared among ranks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sharding import LabelFilter, RecordBatch
from trainer.distributed import ONE_RANK, Ranks
from trainer.evaluation import EvaluationResult, Ranked, SplitEvaluator

NUM_LABELS, SHORTLIST, RECORDS, TRAIN_RECORDS = 30, 7, 41, 500
TRAINING_RECORDS = np.array([400, 101, 100, 60, 20, 19, 7, 3, 2, 1] + [1] * 10 + [0] * 10)

OnRanks = Callable[..., list[Any]]


@dataclass(frozen=True)
class Guesses:
    """A ranker whose answer follows from a record's place in its split; places at the end are now and then empty."""

    excluded: LabelFilter | None = None

    def rank(self, records: RecordBatch, _given: Sequence[Mapping[int, bool]] = ()) -> dict[str, Ranked]:
        return {name: self._ranked(records, seed) for seed, name in enumerate(("scan", "scan+cloze"))}

    def _ranked(self, records: RecordBatch, seed: int) -> Ranked:
        ids, scores = [], []
        for place in records.positions.tolist():
            generator = np.random.default_rng([seed, place])
            ids.append(generator.permutation(NUM_LABELS)[:SHORTLIST])
            ids[-1][SHORTLIST - place % 3 :] = -1
            scores.append(np.sort(generator.normal(size=SHORTLIST).round(1))[::-1])  # with ties
        return Ranked(np.stack(ids), np.stack(scores).astype(np.float32))


def labels_of(place: int) -> list[int]:
    generator = np.random.default_rng([7, place])
    return sorted(generator.permutation(NUM_LABELS)[: generator.integers(0, 5)].tolist())


def batches(size: int, rank: int = 0, world_size: int = 1) -> Iterator[RecordBatch]:
    """Cut the records as `sequential` does: the end is filled up with record 0, of weight 0."""
    for start in range(rank * size, RECORDS + rank * size, world_size * size):
        places = np.arange(start, start + size)
        real = places < RECORDS
        places = np.where(real, places, 0)
        table = pa.table({"labels": pa.array(map(labels_of, places.tolist()), pa.list_(pa.uint32()))})
        yield RecordBatch(0, places, real.astype(np.float32), table)


def judge(ranks: Ranks, size: int, *, seen_only: bool = False) -> dict[str, EvaluationResult]:
    stand_in: Any = Guesses()
    judging = SplitEvaluator(stand_in, TRAINING_RECORDS, TRAIN_RECORDS, ranks, seen_only=seen_only)
    share = ranks.rank, ranks.world_size
    return judging.verdicts(batches(size, *share), judging.thresholds(batches(size, *share)))


def assert_equal(found: dict[str, EvaluationResult], wanted: dict[str, EvaluationResult]) -> None:
    assert found.keys() == wanted.keys()
    for name, verdict in found.items():
        assert verdict.records == wanted[name].records
        assert verdict.bands == wanted[name].bands
        assert verdict.metrics == pytest.approx(wanted[name].metrics, rel=1e-12)  # float64, added in another order


@pytest.mark.parametrize("size", [1, 4, 40])
def test_a_verdict_is_the_same_whatever_the_batch(size: int) -> None:
    assert_equal(judge(ONE_RANK, size), judge(ONE_RANK, RECORDS))


@pytest.mark.ranks
@pytest.mark.parametrize("world_size", [2, 3])
def test_every_rank_comes_to_the_verdict_of_one(on_ranks: OnRanks, world_size: int) -> None:
    for found in on_ranks(judge, world_size, 16):  # with three ranks, one has nothing but padding
        assert_equal(found, judge(ONE_RANK, RECORDS))


def test_among_seen_labels_only_those_are_assigned_and_only_their_records_count() -> None:
    found, everything = (judge(ONE_RANK, 8, seen_only=seen)["scan"] for seen in (True, False))
    seen = [[label for label in labels_of(place) if TRAINING_RECORDS[label]] for place in range(RECORDS)]
    assert found.records == sum(map(bool, seen)) < everything.records == RECORDS
    *bands, unseen = found.bands
    assert sum(band.assignments for band in bands) == sum(map(len, seen))
    assert (unseen.assignments, unseen.recall_D) == (0, ())
    assert everything.bands[-1].assignments == sum(len(labels_of(place)) for place in range(RECORDS)) - sum(
        map(len, seen)
    )
    assert found.metrics["P@5"] > everything.metrics["P@5"]
