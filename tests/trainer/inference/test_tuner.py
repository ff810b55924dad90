"""What is tuned on dev: never worse than before, what answers then reach, and the same on any number of ranks."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sharding import COLUMNS, Dataset, LabelFilter, RecordBatch, sequential
from trainer.distributed import ONE_RANK, Ranks
from trainer.errors import ConfigError
from trainer.evaluation import (
    KS,
    Answers,
    Channels,
    ChannelWeights,
    Fusion,
    FusionFit,
    RankingSums,
    ask,
    fit_fusion,
    inverse_propensity,
    ranking_sums,
)
from trainer.inference import FusedRanker, Tuning, ask_channels, load_index
from trainer.inference import tuner as module
from trainer.inference.loading import TrainedModel
from trainer.inference.tuner import NEIGHBOURS, THRESHOLDS, Tuner
from trainer.neighbours import VoteRule
from trainer.run.folder import RunFolder

OnRanks = Callable[..., list[Any]]

pytestmark = pytest.mark.ranks

NUM_LABELS, STEP = 48, 20
NOTHING = FusionFit(Fusion.none(), {"after": {"objective": 0.0}})


def batches(dataset: Path, ranks: Ranks, limit: int | None) -> Iterable[RecordBatch]:
    chosen = Dataset.open(dataset).split("dev")
    return sequential(
        chosen,
        batch=16,
        world_size=ranks.world_size,
        rank=ranks.rank,
        limit=min(limit or 40, 40),
        columns=(*COLUMNS, "id", "text"),
    )


def tuner(run: Path, dataset: Path, ranks: Ranks = ONE_RANK, **settings: Any) -> Tuner:
    model = TrainedModel.load(run, ranks=ranks, depth=64)
    index = load_index(model, RunFolder(run))
    return Tuner(model, index, partial(batches, dataset, ranks), ranks, **settings)


def tune(ranks: Ranks, run: Path, dataset: Path) -> tuple[Tuning, dict[str, dict[str, float]]]:
    return tuner(run, dataset, ranks).tune(1)


@pytest.fixture(scope="module")
def tuned(context_run: Path, tiny_dataset: Path) -> tuple[Tuning, dict[str, dict[str, float]]]:
    return tune(ONE_RANK, context_run, tiny_dataset)


def reached(ranker: Any, model: TrainedModel, dataset: Path, name: str) -> dict[str, float]:
    """Judge one of its rankings on dev, in the space of the labels that training has."""
    counts_L = model.vocabulary.counts
    inverse_L, sums = inverse_propensity(counts_L, model.train_records), RankingSums.zeros()
    for records in batches(dataset, ONE_RANK, None):
        answers: Answers = ask(ranker, records)[name].among(counts_L > 0)
        weights_N = np.ones(len(answers.ids_NK))
        sums += ranking_sums(answers.ids_NK, answers.labels, answers.offsets, inverse_L, weights_B=weights_N)
    return sums.means()


def test_tuning_makes_dev_no_worse_and_answers_then_reach_what_it_says(
    context_run: Path, tiny_dataset: Path, tuned: tuple[Tuning, dict[str, dict[str, float]]]
) -> None:
    tuning, figures = tuned
    before, after = figures["before"], figures["after"]
    assert after["objective"] > before["objective"], "a fit that finds nothing proves nothing"
    assert all(after[f"PSP@{k}"] >= before[f"PSP@{k}"] * (1 - 1e-9) for k in KS)  # rounding
    assert tuning.step == STEP
    assert all(rule.k in {5, *NEIGHBOURS} for rule in tuning.votes.values())
    assert tuning.threshold in THRESHOLDS
    assert set(tuning.uses) <= {"context", "slots", "dense", "sparse"}
    assert tuning.refine == (1 if "context" in tuning.uses else 0)

    model = TrainedModel.load(context_run)
    ranker = replace(model.ranker, refine=tuning.refine, threshold=tuning.threshold)
    fused = FusedRanker(ranker, tuning, model.vocabulary.counts, load_index(model, RunFolder(context_run)))
    for name, wanted in (("scan", before), ("fused", after)):
        found = reached(fused, model, tiny_dataset, name)
        for metric in (f"{kind}@{k}" for kind in ("P", "R", "nDCG", "PSP") for k in KS):
            assert found[metric] == pytest.approx(wanted[metric]), (name, metric)


def test_two_ranks_tune_as_one_does(
    on_ranks: OnRanks, context_run: Path, tiny_dataset: Path, tuned: tuple[Tuning, dict[str, dict[str, float]]]
) -> None:
    (first, figures), (second, none) = on_ranks(tune, 2, context_run, tiny_dataset)
    assert first == tuned[0]
    for name, wanted in tuned[1].items():
        assert figures[name] == pytest.approx(wanted)
    assert (second.step, second.threshold, second.fusion, none) == (STEP, first.threshold, Fusion.none(), {})


def test_passes_and_threshold_are_those_of_the_best_refined_answers(
    context_run: Path, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "fit_fusion", _context_alone)
    tuning, _ = tuner(context_run, tiny_dataset).tune(2)
    model = TrainedModel.load(context_run)
    sums = {}
    for passes, threshold in product((1, 2), THRESHOLDS):
        ranker = replace(model.ranker, refine=passes, threshold=threshold)
        found = reached(ranker, model, tiny_dataset, "refined")
        sums[passes, threshold] = sum(found[f"P@{k}"] for k in KS)
    assert len(set(sums.values())) > 1, "passes and thresholds that change nothing prove nothing"
    assert sums[tuning.refine, tuning.threshold] == pytest.approx(max(sums.values()))
    assert tuning.refine == 1 or sums[tuning.refine, tuning.threshold] > sums[1, tuning.threshold]


def test_neighbours_vote_as_the_best_fusion_of_dev_has_them(
    context_run: Path, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NEIGHBOURS", (1, 500))  # there are but 160 records
    ours = tuner(context_run, tiny_dataset)
    tuning, _ = ours.tune(0)
    index, reached_by = ours.index, {}
    assert index is not None
    for kind in ("dense", "sparse"):
        for rule in (index.meta.rule(kind), *(VoteRule(1, power) for power in module.POWERS[kind])):
            ranker = FusedRanker(
                ours.model.ranker, replace(tuning, votes={kind: rule}), ours.model.vocabulary.counts, index
            )
            found = ask_channels(ranker, batches(tiny_dataset, ONE_RANK, None), [kind], [{kind: rule}], ONE_RANK)
            truth = found.labels, found.offsets, ours.model.vocabulary.counts, ours.model.train_records
            fit = fit_fusion(found.by_rule[0], *truth, keep_propensity=True)
            reached_by[kind, rule] = fit.figures["after"]["objective"]
        mine = {rule: value for (own, rule), value in reached_by.items() if own == kind}
        # A rule of another number of neighbours proposes other candidates too, which are ranked behind.
        assert mine[tuning.votes[kind]] == pytest.approx(max(mine.values()))
    assert len(set(reached_by.values())) > 2, "rules that change nothing prove nothing"


def _context_alone(channels: Channels, *truth: Any, **settings: Any) -> FusionFit:
    """Fit, and let the context have a weight in any case."""
    return replace(fit_fusion(channels, *truth, **settings), fusion=Fusion((ChannelWeights("context", (0.5,) * 4),)))


@pytest.mark.parametrize("refine", [0, 1])
def test_only_what_any_channel_says_is_fitted(
    context_run: Path, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch, refine: int
) -> None:
    asked = []

    def fit(channels: Channels, *truth: Any, **settings: Any) -> FusionFit:
        asked.append((channels, truth, settings))
        return NOTHING

    monkeypatch.setattr(module, "fit_fusion", fit)
    ours = tuner(context_run, tiny_dataset, keep_propensity=False)
    unseen = set(np.flatnonzero(ours.model.vocabulary.counts == 0))
    assert unseen
    tuning, _ = ours.tune(refine)
    assert (tuning.refine, tuning.uses) == (0, ())
    *_, (channels, (labels, offsets, counts_L, train_records), settings) = asked
    assert sorted(channels.others) == sorted(["dense", "sparse", "slots", *(["context"] if refine else [])])
    assert not unseen & {*labels.tolist(), *channels.ids_NK.ravel().tolist()}
    [true] = [records.table["labels"].to_pylist() for records in sequential_dev(tiny_dataset)]
    assert [set(own) for own in np.split(labels, offsets[1:-1])] == [set(own) - unseen for own in true]
    assert len(channels.ids_NK) == len(true) == 40
    assert (counts_L.tolist(), train_records) == (ours.model.vocabulary.counts.tolist(), 160)
    assert settings == {"keep_propensity": False}


def sequential_dev(dataset: Path) -> Iterable[RecordBatch]:
    return sequential(Dataset.open(dataset).split("dev"), batch=40, columns=(*COLUMNS, "id"))


def test_barred_labels_are_neither_candidates_nor_truth(
    context_run: Path, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(module, "fit_fusion", lambda channels, *truth, **_: asked.append((channels, truth)) or NOTHING)
    ours = tuner(context_run, tiny_dataset)
    [records] = sequential_dev(tiny_dataset)
    names = records.table["id"].to_pylist()
    excluded = {name: np.array([0, 5], dtype=np.int64) for name in names[::2]}
    replace(ours, model=ours.model.excluding(LabelFilter(excluded, {}))).tune(0)
    *_, (channels, (labels, offsets, *_)) = asked
    truth = np.split(labels, offsets[1:-1])
    for place, (ids_K, own, true) in enumerate(
        zip(channels.ids_NK, truth, records.table["labels"].to_pylist(), strict=True)
    ):
        is_barred = place % 2 == 0
        assert bool({0, 5} & set(ids_K.tolist())) != is_barred
        assert bool({0, 5} & set(own.tolist())) == (not is_barred and bool({0, 5} & set(true)))


class ScansNothing:
    """A label side all of whose labels have slots."""

    scans = False


def test_a_model_that_scans_nothing_has_nothing_to_fuse(context_run: Path, tiny_dataset: Path) -> None:
    ours = tuner(context_run, tiny_dataset)
    ranker: Any = replace(ours.model.ranker, labels=ScansNothing())  # pyright: ignore[reportArgumentType]
    nothing = replace(ours, model=replace(ours.model, ranker=ranker))
    with pytest.raises(
        ConfigError, match=r"^cloze.slots = 'all': nothing is scanned, so there are no channels to fuse$"
    ):
        nothing.tune(1)
