"""Ranks that end in every way, as real processes which do nothing else."""

import json
import signal
import subprocess
import sys
from typing import Any

import psutil
import pytest

from tests.programs import end_of, started

SUPERVISOR = """
import ctypes
import json
import os
import sys

import psutil

from launcher.supervise import agent

BECOME_THE_PARENT_OF_ORPHANS = 36  # Linux: what a container's first process is anyway
ctypes.CDLL(None).prctl(BECOME_THE_PARENT_OF_ORPHANS, 1)

agent.PEER_LOST_SECONDS = agent.ESCALATION_SECONDS = 0.5
ranks = [(sys.executable, "-u", "-c", program) for program in sys.argv[2:]]
commands = [agent.Command(rank, words, os.environ) for rank, words in enumerate(ranks)]
said = []
signals = agent.StopSignals().listen()
ends = agent.supervise(commands, signals, float(sys.argv[1]), said.append)
ends = [(end.rank, end.code, end.forced) for end in ends]
zombies = [child.pid for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE]
print(json.dumps({"ends": ends, "said": said, "asked": signals.asked, "zombies": zombies}))
"""
FINE = ""
HANGS = "import time; print('up', flush=True); time.sleep(600)"
OBSTINATE = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + HANGS
SAVES = """
import signal
import sys
import time

def save(number, frame):
    time.sleep(1)
    sys.exit(75)

signal.signal(signal.SIGTERM, save)
signal.signal(signal.SIGINT, save)
print("up", flush=True)
time.sleep(600)
"""
LEAVES_WHEN_LET_GO = """
import os

print("up", flush=True)
os.read(int(os.environ["LMMTC_LEASH"]), 1)
os._exit(75)
"""
WITH_A_CHILD = """
import signal
import subprocess

signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"])
print(child.pid, flush=True)
child.wait()
"""
LEAVES_A_CHILD = "import subprocess; subprocess.Popen(['sleep', '0.5'])"


def supervisor(*programs: str, grace: float = 60) -> Any:
    return started(sys.executable, "-c", SUPERVISOR, grace, *programs)


def story(*programs: str) -> dict[str, Any]:
    with supervisor(*programs) as running:
        return told(running)


def told(running: subprocess.Popen[str]) -> dict[str, Any]:
    return json.loads(end_of(running).out.splitlines()[-1])


def wait_until_up(running: subprocess.Popen[str], ranks: int) -> None:
    assert running.stdout
    assert running.stdout.read(3 * ranks).count("up") == ranks  # their lines may mix


def test_all_is_well_and_nothing_is_said() -> None:
    assert story(FINE, FINE)["said"] == []


def test_ranks_that_end_by_themselves_after_another_are_not_touched() -> None:
    soon = "import sys, time; time.sleep(0.2); sys.exit(75)"
    found = story("import sys; sys.exit(3)", soon)
    assert found["ends"] == [[0, 3, False], [1, 75, False]]
    assert found["said"] == ["rank 0 ended with exit code 3", "rank 1 ended with exit code 75"]


def test_a_rank_that_dies_is_named_with_its_signal_and_the_others_are_told_to_end() -> None:
    found = story("import os; os.kill(os.getpid(), 9)", LEAVES_WHEN_LET_GO)
    assert found["ends"] == [[0, -9, False], [1, 75, False]]
    assert found["said"][0] == "rank 0 was killed with SIGKILL"


@pytest.mark.parametrize(("program", "number"), [(HANGS, signal.SIGTERM), (OBSTINATE, signal.SIGKILL)])
def test_ranks_that_do_not_end_are_killed(program: str, number: int) -> None:
    found = story("import sys, time; time.sleep(1); sys.exit(1)", program)
    assert found["ends"] == [[0, 1, False], [1, -number, True]]
    assert found["said"][1] == f"rank 1 was killed by lmmtc train with {signal.Signals(number).name}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_every_rank_and_each_may_save(number: int) -> None:
    with supervisor(SAVES, SAVES) as running:
        wait_until_up(running, 2)
        running.send_signal(number)
        found = told(running)
    assert sorted(found["ends"]) == [[0, 75, False], [1, 75, False]]
    assert found["said"][0] == f"{signal.Signals(number).name} is handed on to 2 ranks"
    assert found["asked"]


FIRST_PROCESS = ("unshare", "--pid", "--fork", "--mount-proc")


@pytest.mark.skipif(
    subprocess.run([*FIRST_PROCESS, "true"], check=False, capture_output=True).returncode != 0,
    reason="this user may not make a first process",
)
def test_a_containers_first_process_hands_signals_on_as_well() -> None:
    with started(*FIRST_PROCESS, sys.executable, "-c", SUPERVISOR, 60, SAVES) as running:
        wait_until_up(running, 1)
        (first,) = psutil.Process(running.pid).children()
        first.send_signal(signal.SIGTERM)
        assert told(running)["ends"] == [[0, 75, False]]


def test_who_does_not_stop_in_time_is_killed() -> None:
    with supervisor(OBSTINATE, grace=0.2) as running:
        wait_until_up(running, 1)
        running.send_signal(signal.SIGTERM)
        assert told(running)["ends"] == [[0, -9, True]]


def test_what_a_killed_rank_has_started_is_killed_as_well() -> None:
    with supervisor(WITH_A_CHILD, grace=0.2) as running:
        assert running.stdout
        child = psutil.Process(int(running.stdout.readline()))
        running.send_signal(signal.SIGTERM)
        told(running)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_children_that_a_rank_leaves_behind_are_waited_for() -> None:
    assert story(LEAVES_A_CHILD, "import time; time.sleep(2)")["zombies"] == []


def test_nothing_is_left_when_the_supervisor_itself_is_killed() -> None:
    with supervisor(LEAVES_WHEN_LET_GO, LEAVES_WHEN_LET_GO) as running:
        wait_until_up(running, 2)
        ranks = psutil.Process(running.pid).children()
        running.kill()
        _, alive = psutil.wait_procs(ranks, timeout=10)
    assert len(ranks) == 2
    assert not alive
