"""Two ranks under `lmmtc train`, seen from outside: how far they are, what they are doing, how they end."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from tests.programs import PROGRAMS, Finished, end_of, started
from trainer.checkpoint import damage
from trainer.run.folder import RunFolder

STEPS = 60
STALL_SECONDS = 20

Running = subprocess.Popen[str]


def launched(config: Path, *options: object) -> AbstractContextManager[Running]:
    words = (PROGRAMS / "lmmtc", "train", "--nproc", 2, "--", "--config", config, *options)
    return started(*words, env={"TORCHDYNAMO_DISABLE": 1})  # a start without the compiler is seconds faster


def folder(config: Path) -> RunFolder:
    return RunFolder(config.with_name("run"))


def events(config: Path) -> list[dict[str, Any]]:
    """Read the events of a run that may still be writing."""
    path = folder(config).events
    text = path.read_text() if path.is_file() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def kinds(config: Path) -> list[str]:
    return [event["event"] for event in events(config)]


def wait_until(happened: Callable[[], object], running: Running, timeout: float = 150) -> None:
    deadline = time.monotonic() + timeout
    while not happened():
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline, "what the test waits for does not happen"
        time.sleep(0.002)


def ranks_of(running: Running) -> list[psutil.Process]:
    """Find the ranks that were started, rank 0 first."""
    return sorted(psutil.Process(running.pid).children(), key=lambda rank: int(rank.environ()["RANK"]))


@contextmanager
def frozen_while(happening: Callable[[], object], running: Running) -> Iterator[None]:
    """Freeze rank 0 in the middle of something; after the block it goes on if it is still there."""
    first = ranks_of(running)[0]
    for _ in range(100):
        wait_until(happening, running)
        first.suspend()
        if happening():
            break
        first.resume()
    yield
    with suppress(psutil.NoSuchProcess):
        first.resume()


def stop_while(happening: Callable[[], object], running: Running) -> None:
    """Ask for a stop in the middle of something."""
    with frozen_while(happening, running):
        running.send_signal(signal.SIGTERM)
        time.sleep(1)  # the signal reaches a frozen rank, too


def evaluates(config: Path) -> bool:
    """Tell whether the first rank evaluates: it does so after steps of even numbers, and then saves."""
    return kinds(config)[-1:] == ["step"] and events(config)[-1]["step"] % 2 == 0


def steps(config: Path) -> bool:
    """Tell whether the first rank is in a step."""
    return kinds(config)[-1:] == ["step"] and events(config)[-1]["step"] % 2 == 1


def saves(config: Path) -> bool:
    """Tell whether a save is going on."""
    return any(folder(config).checkpoints.glob(".step-*.tmp"))


def whole_checkpoint(config: Path) -> int:
    """Check that the newest checkpoint is whole and that no other one is torn; return its step."""
    steps = sorted(folder(config).checkpoints.glob("step-*"))
    assert [damage(step) for step in steps] == [None] * len(steps)
    return folder(config).saved_step()


def end_in_time(running: Running, code: int, seconds: float) -> Finished:
    started_at = time.monotonic()
    said = end_of(running, code=code, timeout=120)
    assert time.monotonic() - started_at < seconds
    return said
