"""New checkpoints are taken while the server answers; what cannot be taken leaves the one before."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from launcher.serving.api import Service
from launcher.serving.following import Follower
from launcher.serving.metrics import ServingMetrics
from launcher.serving.served import Current, How
from trainer.run.folder import RunFolder

pytestmark = pytest.mark.ranks


class Followed:
    """A follower of a copy of the run, and what it says."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.run, self.said, self.metrics = folder, list[str](), ServingMetrics()
        self.current = Current(replace(service.current.model, run=RunFolder(folder)))
        self.follower = Follower(self.current, How(), self.metrics, 60, self.said.append)

    def save(self, step: int) -> Path:
        """Save the model again, as of another step."""
        checkpoints = self.run / "checkpoints"
        folder = Path(shutil.copytree(next(checkpoints.glob("step-*")), checkpoints / f"step-{step:08d}"))
        meta = json.loads((folder / "meta.json").read_text())
        (folder / "meta.json").write_text(json.dumps(meta | {"step": step}))
        return folder

    @property
    def failures(self) -> float:
        [metric] = self.metrics.counter("serve_reload_failures_total").collect()
        return metric.samples[0].value


@pytest.fixture
def followed(service: Service, run: Path, tmp_path: Path) -> Followed:
    return Followed(service, Path(shutil.copytree(run, tmp_path / "run")))


def test_a_newer_checkpoint_is_taken_once(followed: Followed) -> None:
    assert not followed.follower.look()
    followed.save(40)
    assert followed.follower.look()
    assert followed.current.model.model.step == 40
    assert followed.said == [f"{followed.run}: answers with step 40 now, before with 20"]
    assert not followed.follower.look()


def test_a_damaged_checkpoint_is_not_taken_and_tried_no_more(followed: Followed) -> None:
    next(followed.save(40).glob("dense*")).write_bytes(b"cut off")
    assert not followed.follower.look()
    assert followed.current.model.model.step == 20
    assert not followed.follower.look()
    followed.save(60)
    assert followed.follower.look()


def test_what_was_tuned_for_another_step_is_said_once(followed: Followed) -> None:
    tuned = {"step": 20, "refine": 0, "threshold": 0.5, "votes": {}, "fusion": {}, "dev": {}}
    (followed.run / "tuned.json").write_text(json.dumps(tuned))
    followed.save(40)
    for _ in range(2):
        assert not followed.follower.look()
    [said] = followed.said
    assert said.startswith("ConfigError: ")
    assert said.endswith("; step 20 goes on answering")
    assert followed.failures == 1


def test_a_run_that_has_vanished_leaves_the_model(followed: Followed) -> None:
    shutil.rmtree(followed.run)
    assert not followed.follower.look()
    assert followed.current.model.model.step == 20
