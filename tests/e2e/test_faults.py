"""Two ranks under `lmmtc train`, and all that may befall them: how it ends, what is said, what is left on disk."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from launcher.ports import free_port
from tests.e2e.launching import (
    STALL_SECONDS,
    STEPS,
    end_in_time,
    evaluates,
    events,
    folder,
    kinds,
    launched,
    ranks_of,
    saves,
    stop_while,
    wait_until,
    whole_checkpoint,
)
from tests.programs import PROGRAMS, end_of, started

pytestmark = [pytest.mark.ranks, pytest.mark.slow]


@pytest.mark.nightly
def test_a_run_that_is_stopped_while_it_evaluates_and_then_while_it_saves_goes_on_to_its_end(config: Path) -> None:
    with launched(config) as running:
        wait_until(lambda: kinds(config), running)
        stop_while(lambda: evaluates(config), running)
        said = end_of(running, code=75, timeout=100)
    assert "lmmtc train: SIGTERM is handed on to 2 ranks\n" in said.err
    assert said.err.endswith("lmmtc train: exit code 75: a stop was asked for, and the state was saved\n")
    # The save that follows the evaluation goes on beside the last step.
    assert [kind for kind in kinds(config)[-5:] if kind != "checkpoint"] == ["evaluation", "step", "end"]
    assert kinds(config)[-1] == "checkpoint"
    assert whole_checkpoint(config) == events(config)[-1]["step"]

    with launched(config) as running:
        wait_until(lambda: kinds(config).count("start") == 2, running)
        stop_while(lambda: saves(config), running)
        end_of(running, code=75, timeout=100)
    stopped_at = events(config)[-1]["step"]
    assert kinds(config)[-1] == "checkpoint"
    assert kinds(config)[-4:].count("checkpoint") == 2
    assert whole_checkpoint(config) == stopped_at
    assert not saves(config)
    assert not folder(config).success.exists()

    with launched(config) as running:
        said = end_of(running, timeout=200)
    assert said.err.endswith("lmmtc train: exit code 0: the run is done\n")
    assert [event["step"] for event in events(config) if event["event"] == "start"][-1] == stopped_at
    assert [event["step"] for event in events(config) if event["event"] == "step"] == list(range(1, STEPS + 1))
    assert json.loads(folder(config).success.read_text()) == {"step": STEPS, "run_id": "run"}


def test_a_slow_rank_is_waited_for_and_a_killed_one_ends_the_others_in_seconds(config: Path) -> None:
    with launched(config, "--set", f"train.steps={10**6}") as running:
        wait_until(lambda: kinds(config).count("step") > 2, running)
        slow = ranks_of(running)[1]
        slow.suspend()
        time.sleep(10)
        before = kinds(config).count("step")
        slow.resume()
        wait_until(lambda: kinds(config).count("step") > before + 5, running)
        slow.kill()
        said = end_in_time(running, 137, 30)
    assert (
        "[rank 0] PeerLostError: another rank has died, or cannot be reached; the last checkpoint stands: " in said.err
    )
    assert "lmmtc train: rank 0 ended with exit code 75\n" in said.err
    assert said.err.endswith("lmmtc train: exit code 137: rank 1 was killed with SIGKILL; the last checkpoint stands\n")
    assert whole_checkpoint(config)
    assert not folder(config).success.exists()


@pytest.mark.nightly
def test_ranks_that_wait_for_a_frozen_one_say_where_and_end(config: Path) -> None:
    with launched(config, "--set", f"train.steps={10**6}") as running:
        wait_until(lambda: kinds(config).count("checkpoint"), running)
        ranks_of(running)[1].suspend()
        said = end_in_time(running, 75, STALL_SECONDS + 40)
    assert "lmmtc train: rank 0 ended with exit code 75\n" in said.err
    assert said.err.endswith(
        "lmmtc train: exit code 75: rank 1 was killed by lmmtc train with SIGKILL; "
        "the last checkpoint stands: start the run again\n"
    )
    stacks = folder(config).stacks(0).read_text()
    assert f"(run.stall_seconds = {STALL_SECONDS}): another rank is lost or stuck, or this one is" in stacks
    assert "in run\n" in stacks  # of the training loop
    assert whole_checkpoint(config)


@pytest.mark.nightly
def test_two_machines_meet_again_after_one_has_lost_its_rank(config: Path) -> None:
    meeting = {"NNODES": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    words = (PROGRAMS / "lmmtc", "train", "--restarts", 3, "--", "--config", config)
    with (
        started(*words, env=meeting | {"NODE_RANK": 0}) as first,
        started(*words, env=meeting | {"NODE_RANK": 1}) as other,
    ):
        wait_until(lambda: kinds(config).count("checkpoint"), first)
        (lost,) = ranks_of(other)
        lost.kill()
        said = [end_of(machine, timeout=200).err for machine in (first, other)]
    assert "rank 0 ended with exit code 75\n" in said[0]
    assert "rank 1 was killed with SIGKILL; the last checkpoint stands; starting again from step " in said[1]
    assert {event["step"] for event in events(config) if event["event"] == "step"} == set(range(1, STEPS + 1))
    assert whole_checkpoint(config) == STEPS


@pytest.fixture
def orphans() -> Iterator[list[psutil.Process]]:
    """End what a test that fails would leave behind."""
    left: list[psutil.Process] = []
    yield left
    for process in left:
        if process.is_running():
            process.kill()


@pytest.mark.nightly
def test_ranks_do_not_outlive_a_killed_launcher(config: Path, orphans: list[psutil.Process]) -> None:
    with launched(config, "--set", f"train.steps={10**6}") as running:
        wait_until(lambda: kinds(config).count("checkpoint"), running)
        orphans += ranks_of(running)
        running.kill()
        _, alive = psutil.wait_procs(orphans, timeout=15)
    assert len(orphans) == 2
    assert not [rank for rank in alive if rank.status() != psutil.STATUS_ZOMBIE]
    assert "lmmtc train has let go of this rank" in folder(config).stacks(0).read_text()
    assert whole_checkpoint(config)
