"""`lmmtc tune`: what it writes and shows, how the run answers from then on, and what is refused."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.launcher.conftest import Lmmtc, copy_with
from trainer.evaluation import ChannelWeights, Fusion
from trainer.inference import Tuning
from trainer.neighbours import VoteRule
from trainer.run.folder import RunFolder

pytestmark = pytest.mark.ranks


@pytest.fixture
def run(context_run: Path, tmp_path: Path) -> RunFolder:
    """Copy the run that has a context, slots and an index."""
    return RunFolder(shutil.copytree(context_run, tmp_path / "run"))


def rankings(run: RunFolder) -> set[str]:
    """Name the rankings that were judged."""
    written = json.loads((run.path / "evaluation.json").read_text())
    return {name for name, found in written.items() if isinstance(found, dict) and "P@1" in found}


def test_a_run_that_was_tuned_answers_as_it_was_chosen_on_dev(lmmtc: Lmmtc, run: RunFolder) -> None:
    evaluate, predict = ("evaluate", run.path, "--split", "dev"), ("predict", run.path, "--text", "topic 3")
    before = lmmtc(*predict).out
    said = lmmtc("tune", run.path)
    assert said.code == 0, said.err
    tuning, figures = Tuning.read(run.tuned), json.loads(run.tuned.read_text())["dev"]
    assert said.out.endswith(f"{run.tuned}\n")
    for metric in ("P@1", "nDCG@5", "PSP@5"):
        shown = "".join(f" +│ +{100 * figures[when][metric]:.1f}" for when in ("before", "after"))
        assert re.search(f"│ {metric}{shown} │", said.out), metric
    assert {each.name for each in tuning.fusion.channels} == {"context", "slots", "dense", "sparse"}
    for each in tuning.fusion.channels:
        weights = " │ ".join(f"{weight:g} *" for weight in each.weights)
        assert re.search(f"│ {each.name} +│ {each.exponent:g} +│ {weights}│", said.out), each.name
    assert tuning.uses, "a fusion of nothing proves nothing"

    assert lmmtc(*evaluate, "--labels", "seen").code == 0
    written = json.loads((run.path / "evaluation.json").read_text())
    assert rankings(run) >= {"scan", "scan+cloze", "fused"}
    assert written["refine"] == tuning.refine
    for name, when in (("scan", "before"), ("fused", "after")):
        assert written[name]["P@1"] == pytest.approx(figures[when]["P@1"])
        assert written[name]["PSP@5"] == pytest.approx(figures[when]["PSP@5"])
    assert written["in the neighbour index"]["texts"] > 0
    assert lmmtc(*evaluate, "--untuned").code == 0
    assert rankings(run) == {"scan", "scan+cloze"}
    assert lmmtc(*predict, "--untuned").out == before != lmmtc(*predict).out

    again = lmmtc("tune", run.path, "--refine", 0, "--records", 20, "--lose-psp")
    assert again.code == 0, again.err
    assert Tuning.read(run.tuned).refine == 0
    assert not {"context"} & {each.name for each in Tuning.read(run.tuned).fusion.channels}


def test_training_records_that_are_judged_do_not_find_themselves(lmmtc: Lmmtc, run: RunFolder) -> None:
    tuning = Tuning(
        20, 0, 0.5, {"sparse": VoteRule(1, 2)}, Fusion((ChannelWeights("sparse", (99.0,) * 4),))
    )  # as the nearest record says
    tuning.save(run.tuned, {})
    assert lmmtc("evaluate", run.path, "--split", "train", "--records", 60).code == 0
    written = json.loads((run.path / "evaluation.json").read_text())
    assert written["in the neighbour index"]["texts"] > 30
    assert written["fused"]["P@1"] < 0.95, "all have found themselves"


def test_the_refusals_of_a_tuned_run_are_said(lmmtc: Lmmtc, run: RunFolder) -> None:
    fusion = Fusion((ChannelWeights("context", (0.5,) * 4),))
    Tuning(19, 1, 0.5, {}, fusion).save(run.tuned, {})
    said = lmmtc("evaluate", run.path, "--split", "dev")
    assert (said.code, said.err) == (
        78,
        (
            f"ConfigError: {run.tuned}: was chosen for step 19, and the checkpoint is at step 20: run lmmtc tune "
            "again, or answer without it (--untuned)\n"
        ),
    )
    Tuning(20, 1, 0.5, {}, fusion).save(run.tuned, {})
    said = lmmtc("predict", run.path, "--text", "a", "--refine", 0)
    assert (said.code, said.err) == (
        78,
        f"ConfigError: --refine 0: {run.tuned} weighs what refinement says: refine, or answer without it (--untuned)\n",
    )
    assert lmmtc("predict", run.path, "--text", "a", "--refine", 2).code == 0


def test_a_run_that_is_to_have_an_index_is_not_tuned_without_it(lmmtc: Lmmtc, run: RunFolder) -> None:
    shutil.rmtree(run.neighbours)
    said = lmmtc("tune", run.path)
    assert (said.code, said.err) == (
        78,
        f"ConfigError: neighbours.records = 150: {run.neighbours} is missing: run lmmtc index {run.path} first\n",
    )
    assert not run.tuned.exists()


def test_a_plain_head_has_nothing_to_fuse_and_answers_as_it_did(lmmtc: Lmmtc, without_cloze: Path) -> None:
    words = ("predict", without_cloze, "--text", "topic 3")
    before = lmmtc(*words).out
    said = lmmtc("tune", without_cloze)
    assert said.code == 0, said.err
    tree = json.loads(RunFolder(without_cloze).tuned.read_text())
    assert (tree["fusion"], tree["refine"]) == ({"channels": {}}, 0)
    assert tree["dev"]["before"] == tree["dev"]["after"]
    assert lmmtc(*words).out == before


def test_a_run_that_scans_nothing_is_not_tuned(lmmtc: Lmmtc, trained: Path, tmp_path: Path) -> None:
    run = copy_with(trained, tmp_path / "run", "cloze", "slots", value="all")
    said = lmmtc("tune", run)
    assert (said.code, said.err) == (
        78,
        "ConfigError: cloze.slots = 'all': nothing is scanned, so there are no channels to fuse\n",
    )
