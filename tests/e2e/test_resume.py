"""A run that is stopped in the middle and started again is the run that was never stopped, bit by bit."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from launcher.ports import free_port
from tests.programs import PROGRAMS, end_of, finish, started, write_run

pytestmark = [pytest.mark.ranks, pytest.mark.slow]

STEPS = 60


@pytest.fixture(scope="module")
def encoder(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the tiny encoder, with dropout."""
    copy = shutil.copytree(tiny_encoder, tmp_path_factory.mktemp("dropout") / "encoder")
    config = json.loads((copy / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return copy


def configure(place: Path, dataset: Path, encoder: Path) -> Path:
    """Configure a run in `place`; an epoch has 5 steps."""
    return write_run(
        place,
        dataset,
        encoder,
        train={"steps": STEPS, "global_batch": 32, "micro_batch": 8, "lr": 1e-3},
        labels={"lr": 0.01},
        evaluation={"every_steps": 20},
    )


def torchrun(config: Path) -> None:
    """Train on two ranks, to the end."""
    place = ("--nproc_per_node", 2, "--master_port", free_port())
    finish(PROGRAMS / "torchrun", *place, "launcher/run.py", "--config", config, timeout=250)


@contextmanager
def two_ranks(config: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Start two ranks by hand: their exit codes are their own, and nobody kills one because the other has ended."""
    world = {"WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                started(
                    PROGRAMS / "python",
                    "launcher/run.py",
                    "--config",
                    config,
                    env=world | {"RANK": rank, "LOCAL_RANK": rank},
                )
            )
            for rank in range(2)
        ]


def events(config: Path) -> list[dict[str, Any]]:
    """Read the events of a run that may still be writing."""
    path = config.with_name("run") / "events.jsonl"
    text = path.read_text() if path.is_file() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def steps(config: Path) -> list[tuple[int, dict[str, float]]]:
    """List the losses that were logged, in the order in which they were."""
    return [(event["step"], event["loss"]) for event in events(config) if event["event"] == "step"]


def wait_for_steps(config: Path, number: int, ranks: list[subprocess.Popen[str]], timeout: float = 200) -> None:
    deadline = time.monotonic() + timeout
    while len(steps(config)) < number and time.monotonic() < deadline and not any(rank.poll() for rank in ranks):
        time.sleep(0.01)


def checkpoint(config: Path) -> dict[str, bytes]:
    """Read all tensors of the newest checkpoint."""
    newest = max((config.with_name("run") / "checkpoints").glob("step-*"))
    return {path.name: path.read_bytes() for path in newest.glob("*.safetensors")}


def test_stopped_and_started_again_it_has_the_losses_of_a_run_that_was_not(
    tmp_path: Path, tiny_dataset: Path, encoder: Path
) -> None:
    whole, halved = (configure(tmp_path / name, tiny_dataset, encoder) for name in ("whole", "halved"))
    torchrun(whole)
    with two_ranks(halved) as ranks:
        wait_for_steps(halved, 12, ranks)
        ranks[1].send_signal(signal.SIGTERM)  # all must agree, though only one was asked
        for rank in ranks:
            end_of(rank, code=75, timeout=120)
    stopped_at = events(halved)[-1]
    assert stopped_at["event"] == "checkpoint"
    assert 12 <= stopped_at["step"] < STEPS
    torchrun(halved)
    assert [step for step, _ in steps(whole)] == list(range(1, STEPS + 1))
    assert steps(halved) == steps(whole)
    assert checkpoint(halved) == checkpoint(whole)
