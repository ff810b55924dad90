"""A request to stop, in processes that really receive signals."""

import sys

import pytest

from tests.programs import finish

PROGRAM = """
import os
import signal

from launcher.supervise.signals import StopRequest

stop = StopRequest().listen()
print(stop(), flush=True)
os.kill(os.getpid(), signal.{name})
print(stop(), flush=True)
"""
AGAIN = """
os.kill(os.getpid(), signal.{name})
print("still here", flush=True)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_is_remembered_and_ends_nothing(name: str) -> None:
    assert finish(sys.executable, "-c", PROGRAM.format(name=name)).out.split() == ["False", "True"]


@pytest.mark.parametrize(("name", "number"), [("SIGTERM", 15), ("SIGINT", 2)])
def test_the_same_signal_again_acts_at_once(name: str, number: int) -> None:
    said = finish(sys.executable, "-c", (PROGRAM + AGAIN).format(name=name), code=-number)
    assert said.out.split() == ["False", "True"]
