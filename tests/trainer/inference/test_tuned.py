"""A run with a tuned.json: how it answers, on any number of ranks, and what is refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sharding import Record
from tests.trainer.inference.test_fused import NUM_LABELS, TUNED, WEIGHTS
from trainer.distributed import ONE_RANK, Ranks
from trainer.errors import ConfigError
from trainer.evaluation import ChannelWeights, Fusion, Ranker
from trainer.inference import FusedRanker, Tuning, answering
from trainer.inference.loading import TrainedModel
from trainer.inference.predict import predict
from trainer.run.folder import RunFolder

OnRanks = Callable[..., list[Any]]

pytestmark = pytest.mark.ranks


@pytest.fixture(scope="module")
def model(context_run: Path) -> TrainedModel:
    return TrainedModel.load(context_run)


@pytest.fixture
def tuned(context_run: Path, tmp_path: Path) -> RunFolder:
    """Copy the run, and tune it by hand."""
    run = RunFolder(shutil.copytree(context_run, tmp_path / "run"))
    TUNED.save(run.tuned, {"before": {"P@1": 0.5}})
    return run


def test_what_was_tuned_is_read_back(tuned: RunFolder, model: TrainedModel) -> None:
    assert Tuning.read(tuned.tuned) == TUNED
    assert json.loads(tuned.tuned.read_text())["dev"] == {"before": {"P@1": 0.5}}
    assert TUNED.uses == tuple(WEIGHTS)
    ranker = answering(model, tuned)
    assert isinstance(ranker, FusedRanker)
    assert (ranker.ranker.refine, ranker.ranker.threshold, ranker.tuning) == (1, 0.1, TUNED)
    assert ranker.index is not None
    more = answering(model, tuned, refine=3)
    assert isinstance(more, FusedRanker)
    assert more.ranker.refine == 3
    for refine in (None, 2):
        assert answering(model, tuned, refine=refine, tuned=False) == replace(model.ranker, refine=refine or 0)


def test_an_index_that_no_channel_asks_for_need_not_be_there(tuned: RunFolder, model: TrainedModel) -> None:
    shutil.rmtree(tuned.neighbours)
    fusion = Fusion((ChannelWeights("context", (0.5,) * 4), ChannelWeights("dense", (0.0,) * 4)))
    replace(TUNED, fusion=fusion).save(tuned.tuned, {})
    ranker = answering(model, tuned)
    assert isinstance(ranker, FusedRanker)
    assert ranker.index is None


def refused(model: TrainedModel, run: RunFolder, **settings: Any) -> str:
    with pytest.raises(ConfigError) as said:
        answering(model, run, **settings)
    assert isinstance(answering(model, run, tuned=False), Ranker)
    return str(said.value)


def test_what_was_tuned_for_another_checkpoint_is_refused(tuned: RunFolder, model: TrainedModel) -> None:
    replace(TUNED, step=10).save(tuned.tuned, {})
    assert refused(model, tuned) == (
        f"{tuned.tuned}: was chosen for step 10, and the checkpoint is at step 20: run lmmtc tune again, or answer "
        "without it (--untuned)"
    )


def test_a_tuned_run_without_its_index_is_refused(tuned: RunFolder, model: TrainedModel) -> None:
    shutil.rmtree(tuned.neighbours)
    assert refused(model, tuned) == (
        f"{tuned.neighbours}: there is no neighbour index: build it with `lmmtc index {tuned.path}`"
    )


def test_refinement_that_is_weighed_cannot_be_left_out(tuned: RunFolder, model: TrainedModel) -> None:
    assert refused(model, tuned, refine=0) == (
        f"--refine 0: {tuned.tuned} weighs what refinement says: refine, or answer without it (--untuned)"
    )


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "not what lmmtc tune writes: Expecting property name"),
        ("[]", "must be a valid dictionary"),
        ('{"step": 20}', "refine: is required and has no default"),
        ("votes", "votes.dense.k = 0: must be greater than 0"),
        ("step", "step = '20': must be a valid integer"),
        ("refine", "refine = 1.5: must be a valid integer"),
        ("threshold", "threshold = nan: must be less than or equal to 1"),
        ("fusion", "fusion = {}: must be an object with exactly the keys channels ("),
    ],
)
def test_a_broken_tuning_is_refused_by_what_is_wrong_with_it(
    tuned: RunFolder, model: TrainedModel, content: str, fault: str
) -> None:
    wrong = {
        "votes": {"dense": {"k": 0, "power": 8.0}},
        "step": "20",
        "refine": 1.5,
        "threshold": float("nan"),
        "fusion": {},
    }
    if content in wrong:
        content = json.dumps(json.loads(tuned.tuned.read_text()) | {content: wrong[content]})
    tuned.tuned.write_text(content)
    said = refused(model, tuned)
    assert str(tuned.tuned) in said
    assert fault in said
    assert "run lmmtc tune again" in said


def answers(ranks: Ranks, run: Path, depth: int, batch: int) -> list[tuple[str, tuple[str, ...], tuple[float, ...]]]:
    """Predict by all channels; the first rank's records are all given a label, and the second's are not."""
    model = TrainedModel.load(run, ranks=ranks, depth=depth)
    ranker = answering(model, RunFolder(run))
    known = (("label 1", True), ("label 30", False))
    questions = [Record(str(n), f"topic {n % 44}", (), given=known if n % 8 < 4 else ()) for n in range(13)]
    return [(found.id, found.labels, found.scores) for found in predict(model, questions, depth, batch, ranker)]


def test_two_ranks_answer_as_one_does_also_where_one_of_them_has_more_labels_to_rank(
    on_ranks: OnRanks, tuned: RunFolder
) -> None:
    wanted = answers(ONE_RANK, tuned.path, NUM_LABELS, 8)
    found, others = on_ranks(answers, 2, tuned.path, NUM_LABELS, 4)
    assert others == []
    assert [len(labels) for _, labels, _ in wanted] == [46 if n % 8 < 4 else 48 for n in range(13)]
    for (name, labels, scores), (wanted_name, wanted_labels, wanted_scores) in zip(found, wanted, strict=True):
        assert name == wanted_name
        assert dict(zip(labels, scores, strict=True)) == pytest.approx(
            dict(zip(wanted_labels, wanted_scores, strict=True)), abs=1e-3
        )  # fp32 of other batches, times weights of up to 3
