"""A rank that cannot get on, as a real process."""

import sys
from pathlib import Path

import pytest

from tests.programs import finish

RANK = """
import os
import sys
import time
from pathlib import Path

from launcher.supervise.watchdog import Watchdog

limit, stacks = float(sys.argv[1]), Path(sys.argv[2])


def wait_for_the_others():
    time.sleep(3)


with Watchdog(limit, stacks, os.environ, *map(float, sys.argv[3:])) as watchdog:
    {body}
print("over", flush=True)
{after}
"""
STUCK = "watchdog.heartbeat(); wait_for_the_others()"
STARTING = "wait_for_the_others()"
SLOW = "[(watchdog.heartbeat(), time.sleep(0.8)) for _ in range(4)]"


def rank(limit: float, stacks: Path, body: str, after: str = "", *starting: float) -> tuple[object, ...]:
    return (sys.executable, "-c", RANK.format(body=body, after=after), limit, stacks, *starting)


def test_a_rank_in_which_nothing_moves_says_where_it_is_and_asks_to_be_started_again(tmp_path: Path) -> None:
    stacks = tmp_path / "run" / "stacks-00003.txt"
    said = finish(*rank(1, stacks, STUCK), env={"RANK": 3}, code=75)
    assert "over" not in said.out
    for log in (said.err, stacks.read_text()):
        assert "[rank 3] no step, evaluation batch or save has ended for " in log
        assert (
            " seconds (run.stall_seconds = 1): another rank is lost or stuck, or this one is; "
            "the last checkpoint stands: start the run again\n"
        ) in log
        assert "in wait_for_the_others\n" in log


def test_a_rank_that_does_not_come_to_its_first_step_ends_too(tmp_path: Path) -> None:
    said = finish(*rank(0.5, tmp_path / "stacks.txt", STARTING, "", 1), code=75)
    assert (
        " seconds (at most 1): another rank is lost or stuck, or this one is; the last checkpoint stands: start the "
        "run again\n"
    ) in said.err
    assert said.err.startswith("[rank 0] nothing has moved before the first step for ")


def test_what_moves_before_the_first_step_is_left_alone(tmp_path: Path) -> None:
    body = "[(watchdog.progress(), time.sleep(0.8)) for _ in range(3)]"
    assert finish(*rank(0.5, tmp_path / "stacks.txt", body, "", 2)).out == "over\n"


def test_a_folder_that_cannot_be_written_does_not_keep_a_rank_alive(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = finish(*rank(1, tmp_path / "file" / "stacks.txt", STUCK), code=75)
    assert "in wait_for_the_others\n" in said.err


@pytest.mark.parametrize("body", [STARTING, SLOW], ids=["before training", "slow"])
def test_a_rank_that_moves_now_and_then_or_has_not_begun_is_left_alone(tmp_path: Path, body: str) -> None:
    assert finish(*rank(2, tmp_path / "stacks.txt", body)).out == "over\n"
    assert not list(tmp_path.iterdir())


def test_nobody_watches_once_training_is_over(tmp_path: Path) -> None:
    assert finish(*rank(1, tmp_path / "stacks.txt", "watchdog.heartbeat()", STARTING)).out == "over\n"


HOLDER = """
import os
import subprocess
import sys
import time

from launcher.supervise.parent_pipe import ParentPipe

with ParentPipe() as pipe:
    held = os.environ | pipe.variables
    rank = subprocess.Popen(sys.argv[1:], env=held, close_fds=False)
    time.sleep(1.5)
    assert rank.poll() is None
    {end}
    assert rank.wait() == 75
"""


def test_a_rank_whose_parent_pipe_is_closed_ends_at_once(tmp_path: Path) -> None:
    stacks = tmp_path / "stacks.txt"
    said = finish(sys.executable, "-c", HOLDER.format(end="pipe.close()"), *rank(600, stacks, STARTING))
    assert said.out == ""
    assert (
        "[rank 0] lmmtc train has let go of this rank: another one is lost, or it was itself killed; "
        "the last checkpoint stands: start the run again\n"
    ) in stacks.read_text()


def test_a_rank_does_not_outlive_the_one_who_started_it(tmp_path: Path) -> None:
    stacks = tmp_path / "stacks.txt"
    killed = HOLDER.format(end="os.kill(os.getpid(), 9)")
    finish(sys.executable, "-c", killed, *rank(600, stacks, STARTING), code=-9)  # returns when the rank closes its end
    assert "lmmtc train has let go of this rank" in stacks.read_text()
