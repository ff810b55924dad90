"""One rank of two computes what is no number: all skip that step, and too many in a row end the run."""

from pathlib import Path

import pytest

from tests.e2e.launching import events, folder, kinds, whole_checkpoint
from tests.programs import PROGRAMS, Finished, finish
from trainer.run.folder import RunFolder

pytestmark = [pytest.mark.ranks, pytest.mark.slow]

UNSOUND = Path(__file__).with_name("unsound.py")


def launch(config: Path, steps: str, code: int) -> Finished:
    words = ("train", "--nproc", 2, "--", "--config", config, "--set", "train.steps=12", "--set", "checkpoint.keep=9")
    env = {"UNSOUND_RANK": 1, "UNSOUND_STEPS": steps, "TORCHDYNAMO_DISABLE": 1}
    return finish(PROGRAMS / "python", UNSOUND, *words, code=code, env=env, timeout=150)


def steps_called(config: Path, kind: str) -> list[int]:
    return [event["step"] for event in events(config) if event["event"] == kind]


def dense(run: RunFolder, step: int) -> bytes:
    return (run.checkpoints / f"step-{step:08d}" / "dense.safetensors").read_bytes()


def test_steps_that_are_not_finite_are_skipped_and_change_nothing(config: Path) -> None:
    said = launch(config, "3-6", 0)
    assert said.err.endswith("lmmtc train: exit code 0: the run is done\n")
    assert steps_called(config, "skipped_step") == [3, 4, 5, 6]
    assert steps_called(config, "step") == [1, 2, *range(7, 13)]
    assert {event["loss"]["total"] for event in events(config) if event["event"] == "skipped_step"} == {"NaN"}
    assert dense(folder(config), 2) == dense(folder(config), 4) == dense(folder(config), 6) != dense(folder(config), 8)
    assert whole_checkpoint(config) == 12


@pytest.mark.nightly
def test_too_many_in_a_row_end_the_run_with_the_state_from_before(config: Path) -> None:
    said = launch(config, "5-99", 1)
    assert (
        "NonFiniteError: step 9: 5 steps in a row had a loss or a gradient that is not finite "
        "(train.nonfinite_limit = 5); the last checkpoint stands: lower train.lr or labels.lr\n"
    ) in said.err
    assert said.err.splitlines()[-1].startswith("lmmtc train: exit code 1: rank ")
    assert steps_called(config, "skipped_step") == [5, 6, 7, 8, 9]
    assert kinds(config)[-1] == "skipped_step"
    assert whole_checkpoint(config) == 8
    assert dense(folder(config), 8) == dense(folder(config), 4)
    assert not folder(config).success.exists()
