"""What given and denied labels are worth, of a ranker whose answers are known, against loops over single records."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sharding import LabelFilter, RecordBatch
from trainer.distributed import ONE_RANK, Ranks
from trainer.evaluation import DEPTHS, Denial, PartialAnnotation, Ranked, Worth, drawn_labels

OnRanks = Callable[..., list[Any]]

NUM_LABELS, RECORDS, SEED, CANDIDATES = 80, 42, 3, 70
SEEN_L = np.arange(NUM_LABELS) % 7 != 6
Known = Mapping[int, bool]


def true_labels(record: int) -> set[int]:
    """Give some records no label, some two, and most a few that stand in pairs."""
    draw = random.Random(record)  # noqa: S311  # labels, not secrets
    pairs = draw.sample(range(NUM_LABELS // 2), record % 5)
    return {2 * pair + side for pair in pairs for side in (0, 1) if side == 0 or draw.random() < 0.8}


def score(record: int, label: int, known: Known) -> float:
    """Make up a logit: a label that is true tells of the others of its four, one that is denied of every third one."""
    draw = random.Random(f"{record} {label}")  # noqa: S311  # scores, not secrets
    own = draw.uniform(-3, 2.5) + 1.5 * (label in true_labels(record))
    yes = sum(other // 4 == label // 4 for other, true in known.items() if true)
    no = sum(other % 3 == label % 3 for other, true in known.items() if not true)
    return own + 2 * (yes - no)


def ranking(record: int, known: Known) -> list[tuple[int, float]]:
    """Rank the labels that are not given, as many as are looked at, best first."""
    scores = {label: score(record, label, known) for label in range(NUM_LABELS) if label not in known}
    return sorted(scores.items(), key=lambda pair: -pair[1])[:CANDIDATES]


@dataclass
class Stub:
    """A ranker that answers by `ranking`, and before that by something that must not count."""

    asked: list[Known] = field(default_factory=list)
    excluded: LabelFilter | None = None

    def rank(self, records: RecordBatch, given: Sequence[Known] = ()) -> dict[str, Ranked]:
        """Answer, and note what is given."""
        size = len(records.weights)
        known = given or [{}] * size
        assert len(known) == size
        self.asked.extend(known)
        names = records.table["id"].to_pylist()
        rows = [ranking(int(name), own) for name, own in zip(names, known, strict=True)]
        ids_BK, scores_BK = (np.array([[pair[place] for pair in row] for row in rows]) for place in (0, 1))
        wrong = Ranked(np.zeros((size, 1), dtype=np.int64), np.zeros((size, 1), dtype=np.float32))
        return {"scan": wrong, "answer": Ranked(ids_BK.astype(np.int64), scores_BK.astype(np.float32))}


def batches(ranks: Ranks, size: int = 8) -> Iterator[RecordBatch]:
    """Give this rank's share of the records; the last batch is filled up with copies that weigh nothing."""
    own = range(ranks.rank, RECORDS, ranks.world_size)
    for start in range(0, len(own), size):
        real = list(own[start : start + size])
        filled = real + [real[0]] * (size - len(real))
        labels = [sorted(true_labels(record)) for record in filled]
        table = pa.table({"id": [str(record) for record in filled], "labels": pa.array(labels, pa.list_(pa.uint32()))})
        weights_B = (np.arange(size) < len(real)).astype(np.float32)
        yield RecordBatch(0, np.arange(size), weights_B, table)


def judge(ranks: Ranks) -> tuple[float, list[Worth], Denial]:
    annotation = PartialAnnotation(Stub(), SEEN_L, ranks, SEED)
    threshold = annotation.threshold(batches(ranks))
    return threshold, annotation.worth(batches(ranks), 2, threshold), annotation.denial(batches(ranks))


@dataclass(frozen=True)
class Rest:
    """A record's labels that were not drawn, and the ranking of all that were not."""

    true: set[int]
    ranked: list[tuple[int, float]]

    def hits(self, k: int) -> int:
        return sum(label in self.true for label, _ in self.ranked[:k])


def seen(labels: set[int]) -> set[int]:
    return {label for label in labels if SEEN_L[label]}


def rests(given: int) -> list[Rest]:
    """State once more what is judged of the records that have more than two labels."""
    found = []
    for record in range(RECORDS):
        own = sorted(true_labels(record))
        _, drawn_N2 = drawn_labels([str(record)], np.array(own, dtype=np.int64), np.array([0, len(own)]), SEED, SEEN_L)
        if len(seen(set(own))) > 2:
            [drawn] = drawn_N2.tolist()
            ranked = ranking(record, dict.fromkeys(drawn[:given], True))
            open_labels = [pair for pair in ranked if SEEN_L[pair[0]] and pair[0] not in drawn]
            found.append(Rest(seen(set(own)) - set(drawn), open_labels))
    return found


def micro_f1(judged: list[Rest], threshold: float) -> float:
    chosen = [{label for label, at in rest.ranked if np.float32(at) >= threshold} for rest in judged]
    hits = sum(len(found & rest.true) for found, rest in zip(chosen, judged, strict=True))
    return 2 * hits / (sum(map(len, chosen)) + sum(len(rest.true) for rest in judged))


def test_what_given_labels_are_worth_is_what_loops_over_records_say() -> None:
    threshold, found, _ = judge(ONE_RANK)
    dev = rests(0)
    assert micro_f1(dev, threshold) == max(micro_f1(dev, np.float32(at)) for rest in dev for _, at in rest.ranked)
    for given, worth in enumerate(found):
        judged = rests(given)
        assert (worth.given, worth.records) == (given, len(judged))
        assert worth.precision == pytest.approx(sum(rest.hits(1) for rest in judged) / len(judged))
        for k, recall in zip(DEPTHS, worth.recalls, strict=True):
            assert recall == pytest.approx(sum(rest.hits(k) / min(k, len(rest.true)) for rest in judged) / len(judged))
        assert worth.micro_f1 == pytest.approx(micro_f1(judged, threshold))
    assert 5 < found[0].records < RECORDS
    assert found[0].recalls[0] < found[1].recalls[0] < found[2].recalls[0], "labels that tell nothing prove nothing"


def test_what_a_denial_is_worth_is_what_loops_over_records_say() -> None:
    *_, found = judge(ONE_RANK)
    denied, removed = [], []
    for record in range(RECORDS):
        true = seen(true_labels(record))
        false = [label for label, _ in ranking(record, {}) if SEEN_L[label] and label not in true]
        for hits, known in ((denied, {false[0]: False}), (removed, {})):
            ranked = [label for label, _ in ranking(record, known) if SEEN_L[label] and label != false[0]]
            hits.extend([ranked[0] in true] if true else [])
    assert found == Denial(len(denied), pytest.approx(np.mean(denied)), pytest.approx(np.mean(removed)))
    assert denied != removed
    assert 0 < len(denied) < RECORDS


@pytest.mark.ranks
def test_ranks_that_share_the_records_find_the_same(on_ranks: OnRanks) -> None:
    threshold, worth, denial = judge(ONE_RANK)
    for found in on_ranks(judge, 2):
        assert found[0] == threshold
        # Sums of float64 in another order.
        for one, other in zip(found[1], worth, strict=True):
            assert (one.given, one.records) == (other.given, other.records)
            assert [one.precision, *one.recalls, one.micro_f1] == pytest.approx(
                [other.precision, *other.recalls, other.micro_f1], rel=1e-12
            )
        assert found[2] == denial


def test_only_drawn_labels_are_given_and_never_with_a_record_that_has_no_others() -> None:
    stub = Stub()
    PartialAnnotation(stub, SEEN_L, ONE_RANK, SEED).worth(batches(ONE_RANK), 1, 0.0)
    numbers = [len(known) for known in stub.asked]
    assert sorted(set(numbers)) == [0, 1]
    assert sum(numbers) == len(rests(0))
    assert all(known == dict.fromkeys(known, True) for known in stub.asked)


def test_a_split_without_a_record_of_three_labels_gives_zeros() -> None:
    alone = [next(iter(batches(ONE_RANK, 1)))]
    annotation = PartialAnnotation(Stub(), SEEN_L, ONE_RANK)
    assert annotation.worth(alone, 1, annotation.threshold(alone)) == [
        Worth(given, 0, 0.0, (0.0,) * len(DEPTHS), 0.0) for given in (0, 1)
    ]
    assert annotation.denial(alone) == Denial(0, 0.0, 0.0)
