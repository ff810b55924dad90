"""`lmmtc train`: what it refuses, how often it starts ranks again, and when it stops doing so."""

import json
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.launcher.conftest import Lmmtc
from tests.programs import PROGRAMS, end_of, finish, started, write_config
from trainer.run.folder import RunFolder, steps_in

LAUNCH = (PROGRAMS / "lmmtc", "train")


@pytest.fixture
def config(tmp_path: Path, sections: dict[str, dict[str, Any]]) -> Path:
    """Configure a run of one rank that saves every step."""
    own = {"run": {"folder": tmp_path / "run", "threads": 1}, "checkpoint": {"every_steps": 1}}
    return write_config(tmp_path / "run.toml", **sections | own)


@pytest.mark.parametrize("dashes", [(), ("--",)])
def test_a_wrong_configuration_is_refused_before_any_rank_is_started(lmmtc: Lmmtc, dashes: tuple[str, ...]) -> None:
    said = lmmtc("train", *dashes, "--config", "absent.toml", "--set", "train.steps=1")
    assert (said.code, said.err) == (78, "ConfigError: absent.toml: no such configuration file\n")


def test_half_a_place_among_nodes_is_refused_before_any_rank_is_started(config: Path) -> None:
    said = finish(*LAUNCH, "--", "--config", config, env={"NNODES": 2, "NODE_RANK": 0}, code=78)
    assert said.err.startswith("ConfigError: environment: NNODES = '2' given without MASTER_ADDR: ")


@pytest.mark.ranks
def test_what_a_rank_says_of_the_configuration_is_final(config: Path, tmp_path: Path) -> None:
    again = ("--restarts", 3, "--", "--config", config, "--set", f"model.encoder={tmp_path}")
    said = finish(*LAUNCH, *again, code=78, timeout=100)
    assert said.err.count(f"ConfigError: model.encoder = {tmp_path}: no config.json there") == 1
    assert said.err.endswith("lmmtc train: exit code 78: rank 0 ended with exit code 78; the last checkpoint stands\n")


@pytest.mark.nightly
@pytest.mark.ranks
def test_restarts_that_save_no_step_are_not_repeated_for_ever(config: Path) -> None:
    broken = ("--", "--config", config, "--set", "train.lr=1e30", "--set", "train.warmup=0", "--set", "train.clip=0")
    said = finish(*LAUNCH, "--restarts", 1, *broken, "--set", "checkpoint.every_steps=500", code=78, timeout=150)
    assert said.err.count("NonFiniteError") == 2
    assert said.err.endswith(
        "lmmtc train: exit code 78: --restarts 1: so many in a row have saved no step after step 0: another one would "
        "not help, find out why. The last time: rank 0 ended with exit code 1; the last checkpoint stands\n"
    )


@pytest.mark.ranks
@pytest.mark.nightly
def test_a_run_that_gets_on_is_started_again_as_often_as_it_takes(config: Path) -> None:
    """Kill its only rank three times, each time after a save, with one restart allowed, and a torn one far ahead."""
    folder = RunFolder(config.with_name("run"))
    killed: set[int] = set()
    with started(*LAUNCH, "--restarts", 1, "--", "--config", config, "--set", "train.steps=40") as running:
        while len(killed) < 3:
            assert running.poll() is None, running.communicate()
            before = steps_in(folder.checkpoints)
            ranks = [rank for rank in psutil.Process(running.pid).children() if rank.pid not in killed]
            while ranks and ranks[0].is_running() and steps_in(folder.checkpoints) == before:
                time.sleep(0.002)
            for rank in ranks:
                rank.kill()
                (folder.checkpoints / "step-00009999").mkdir(exist_ok=True)
                killed.add(rank.pid)
        said = end_of(running, timeout=150)
    assert said.err.count("rank 0 was killed with SIGKILL; the last checkpoint stands; starting again from step ") == 3
    steps = [json.loads(line) for line in folder.events.read_text().splitlines()]
    assert {event["step"] for event in steps if event["event"] == "step"} == set(range(1, 41))
    assert folder.success.is_file()
