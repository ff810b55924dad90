"""Answers of a tuned run: what each channel says of whom, against the parts asked alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sharding import COLUMNS, TRAIN, Dataset, RecordBatch, sequential
from trainer.evaluation import ChannelWeights, Fusion, Ranker
from trainer.inference import FusedRanker, Tuning, load_index
from trainer.inference import fused as module
from trainer.inference.loading import TrainedModel
from trainer.neighbours import NeighbourIndex, VoteRule
from trainer.run.folder import RunFolder

pytestmark = pytest.mark.ranks

STEP, NUM_LABELS, SHORTLIST = 20, 48, 12
WEIGHTS = {"context": 0.5, "slots": 0.7, "dense": 3.0, "sparse": 2.0}
ALL = Fusion(tuple(ChannelWeights(name, (weight,) * 4) for name, weight in WEIGHTS.items()))
TUNED = Tuning(
    step=STEP, refine=1, threshold=0.1, votes={"dense": VoteRule(3, 8), "sparse": VoteRule(3, 2)}, fusion=ALL
)

# fp32: the same sums over other batches, or in another order.
NEAR = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture(scope="module")
def model(context_run: Path) -> TrainedModel:
    return TrainedModel.load(context_run)


@pytest.fixture(scope="module")
def index(context_run: Path, model: TrainedModel) -> NeighbourIndex:
    return load_index(model, RunFolder(context_run))


def some_records(dataset: Path, split: str = "dev", batch: int = 16) -> RecordBatch:
    return next(sequential(Dataset.open(dataset).split(split), batch=batch, columns=(*COLUMNS, "id", "text")))


@pytest.fixture(scope="module")
def records(tiny_dataset: Path) -> RecordBatch:
    return some_records(tiny_dataset)


def fused(model: TrainedModel, index: NeighbourIndex | None, tuning: Tuning = TUNED, **ranker: Any) -> FusedRanker:
    chosen = replace(model.ranker, refine=tuning.refine, threshold=tuning.threshold, **ranker)
    return FusedRanker(chosen, tuning, model.vocabulary.counts, index)


def given(records: RecordBatch) -> list[dict[int, bool]]:
    """Give one label of every other record, now as true and now as false."""
    return [{place % 44: place % 4 == 0} if place % 2 == 0 else {} for place in range(len(records.weights))]


@pytest.mark.parametrize("depth", [None, 3, NUM_LABELS])
def test_a_fusion_without_weights_answers_as_the_scan_does(
    model: TrainedModel, index: NeighbourIndex, records: RecordBatch, depth: int | None
) -> None:
    tuning = replace(TUNED, fusion=Fusion.none())
    wanted = replace(model.ranker, depth=depth).rank(records)
    for each in (index, None):
        found = fused(model, each, tuning, depth=depth).rank(records)
        assert list(found) == ["scan", "refined", "scan+cloze", "fused"]
        assert np.array_equal(found["fused"].ids_BK, wanted["scan"].ids_BK)
        np.testing.assert_allclose(found["fused"].scores_BK, wanted["scan"].scores_BK, **NEAR)
        if depth == NUM_LABELS:  # else labels behind the shortlist may stand before those that slots speak against
            assert np.array_equal(found["scan+cloze"].ids_BK, wanted["scan+cloze"].ids_BK)


def whole(ranker: Ranker, records: RecordBatch, known: list[dict[int, bool]]) -> dict[str, list[dict[int, float]]]:
    """Ask for the scores of all labels under each ranking."""
    answers = replace(ranker, depth=NUM_LABELS).rank(records, known)
    return {
        name: [
            dict(zip(*row, strict=True)) for row in zip(ranked.ids_BK.tolist(), ranked.scores_BK.tolist(), strict=True)
        ]
        for name, ranked in answers.items()
    }


@pytest.mark.parametrize("is_given", [False, True])
def test_a_candidate_has_the_scans_logit_and_what_each_channel_adds_to_it(
    model: TrainedModel,
    index: NeighbourIndex,
    records: RecordBatch,
    monkeypatch: pytest.MonkeyPatch,
    is_given: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr(module, "DEEP", 4)
    known = given(records) if is_given else [{} for _ in records.weights]
    ranker = fused(model, index, depth=4)
    _, channels = ranker.channels(records, known, tuple(WEIGHTS))
    scores = whole(ranker.ranker, records, known)
    with model.ranker.asking(records) as batch:
        query_BE = model.ranker.model.read(batch).query_BE
    votes = {
        "dense": index.vote("dense", query_BE, TUNED.votes["dense"]),
        "sparse": index.vote("sparse", records.table["text"].to_pylist(), TUNED.votes["sparse"]),
    }
    beyond = 0
    for record, ids_U in enumerate(channels.ids_NK.tolist()):
        shortlist = list(scores["scan"][record])[:SHORTLIST]
        voted = {
            name: dict(zip(found.ids_BM[record].tolist(), found.scores_BM[record].tolist(), strict=True))
            for name, found in votes.items()
        }
        labels = [label for label in ids_U if label >= 0]
        assert {*shortlist, *voted["dense"], *voted["sparse"]} - {-1, *known[record]} <= set(labels)
        assert not set(labels) & set(known[record])
        for place, label in enumerate(labels):
            base = scores["scan"][record][label]
            wanted = {name: own.get(label, 0.0) for name, own in voted.items()}
            wanted["slots"] = scores["scan+cloze"][record][label] - base if label in shortlist else 0.0
            assert channels.base_NK[record, place] == pytest.approx(base, abs=1e-4)  # fp32
            for name, value in wanted.items():
                assert channels.others[name][record, place] == pytest.approx(value, abs=1e-4), name
            beyond += label not in shortlist
    assert beyond > len(records.weights), "votes for labels that the scan ranks first anyway prove nothing"


def test_a_context_channel_is_what_reading_again_adds(
    model: TrainedModel, index: NeighbourIndex, records: RecordBatch
) -> None:
    ranker = fused(model, index, depth=NUM_LABELS)
    rankings, channels = ranker.channels(records, (), ("context",))
    refined = [
        dict(zip(*row, strict=True))
        for row in zip(rankings["refined"].ids_BK.tolist(), rankings["refined"].scores_BK.tolist(), strict=True)
    ]
    for record, own in enumerate(refined):
        both = channels.base_NK[record] + channels.others["context"][record]
        found = dict(zip(channels.ids_NK[record].tolist(), both.tolist(), strict=True))
        assert found == pytest.approx(own, abs=1e-4)  # fp32
    assert np.abs(channels.others["context"]).max() > 0.1


def test_the_answer_is_the_weighted_sum_of_all_channels(
    model: TrainedModel, index: NeighbourIndex, records: RecordBatch
) -> None:
    ranker = fused(model, index)
    answer, (_, channels) = ranker.rank(records)["fused"], ranker.channels(records, (), TUNED.uses)
    assert answer.ids_BK.shape == (16, SHORTLIST)
    sums_NK = channels.base_NK + sum(weight * channels.others[name] for name, weight in WEIGHTS.items())
    for ids_K, scores_K, ids_U, sums_U in zip(answer.ids_BK, answer.scores_BK, channels.ids_NK, sums_NK, strict=True):
        best_U = np.lexsort((ids_U, -sums_U))[:SHORTLIST]
        np.testing.assert_allclose(scores_K, sums_U[best_U], **NEAR)
        assert set(ids_K) == set(ids_U[best_U])


def test_a_training_record_does_not_find_itself(model: TrainedModel, index: NeighbourIndex, tiny_dataset: Path) -> None:
    records = some_records(tiny_dataset, TRAIN, 32)
    texts, ids = (records.table[name].to_pylist() for name in ("text", "id"))
    labels = [set(own) for own in records.table["labels"].to_pylist()]
    tuning = replace(TUNED, votes={"dense": VoteRule(1, 8), "sparse": VoteRule(1, 2)})
    finding, not_finding = (
        replace(fused(model, index, tuning), of_training_records=of_training).channels(records, (), tuning.uses)[1]
        for of_training in (False, True)
    )
    wanted = index.vote("sparse", texts, VoteRule(1, 2), index.positions(ids))
    alone = 0
    for record, text in enumerate(texts):
        if not text or int((index.positions([ids[record]]) < 0).all()) or texts.count(text) > 1:
            continue
        voted, other = (
            {label for label, vote in zip(each.ids_NK[record], each.others["sparse"][record], strict=True) if vote > 0}
            for each in (finding, not_finding)
        )
        assert other == set(wanted.ids_BM[record].tolist()) - {-1}
        alone += voted == labels[record] != other
    assert alone > 10, "records that would not have found themselves prove nothing"


def test_votes_are_those_of_the_text_alone_where_labels_are_given(
    model: TrainedModel, index: NeighbourIndex, records: RecordBatch
) -> None:
    ranker = fused(model, index)
    (_, plain), (_, told) = (ranker.channels(records, known, ("dense",)) for known in ((), given(records)))
    for record, known in enumerate(given(records)):
        votes = [
            {
                label: vote
                for label, vote in zip(each.ids_NK[record].tolist(), each.others["dense"][record].tolist(), strict=True)
                if vote
            }
            for each in (plain, told)
        ]
        assert votes[1] == pytest.approx({label: vote for label, vote in votes[0].items() if label not in known})
