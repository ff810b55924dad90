"""Two ranks, each started as on a node of its own, have the losses of two ranks that one `deepspeed` starts."""

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from launcher.ports import free_port
from tests.programs import PROGRAMS, end_of, started, write_run

pytestmark = [pytest.mark.ranks, pytest.mark.nightly]

STEPS = 6

Start = tuple[tuple[object, ...], dict[str, object]]  # what comes before launcher/run.py, and its environment
Losses = list[dict[str, float]]
Train = Callable[..., Losses]


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Path, tiny_encoder: Path) -> Train:
    """Train with all starts at the same time, and return the losses of every step."""

    def run(*starts: Start) -> Losses:
        place = tmp_path_factory.mktemp("place")
        learning = {"steps": STEPS, "global_batch": 32, "micro_batch": 16, "lr": 1e-3}
        config = write_run(place, tiny_dataset, tiny_encoder, train=learning, evaluation={"every_steps": STEPS})
        words = ("launcher/run.py", "--config", config)
        with ExitStack() as alive:
            programs = [alive.enter_context(started(*before, *words, env=env)) for before, env in starts]
            for program in programs:
                end_of(program, timeout=250)
        events = map(json.loads, (place / "run" / "events.jsonl").read_text().splitlines())
        return [event["loss"] for event in events if event["event"] == "step"]

    return run


@pytest.fixture(scope="module")
def on_one_node(train: Train) -> Losses:
    """Train as everybody does on one machine."""
    losses = train(((PROGRAMS / "deepspeed", "--num_accelerators", 2, "--master_port", free_port()), {}))
    assert len(losses) == STEPS
    return losses


def test_ranks_of_two_hosts_that_deepspeed_cannot_reach_have_the_losses_of_one_node(
    train: Train, on_one_node: Losses, tmp_path: Path
) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("left slots=1\nright slots=1\n", encoding="utf-8")
    master = ("--master_addr", "127.0.0.1", "--master_port", free_port())
    command = (PROGRAMS / "deepspeed", "--hostfile", hosts, "--no_ssh", *master, "--node_rank")
    assert train(*(((*command, node), {}) for node in range(2))) == on_one_node


def test_tasks_of_srun_on_two_hosts_have_the_losses_of_one_node(train: Train, on_one_node: Losses) -> None:
    step = {
        "SLURM_JOB_ID": 17,
        "SLURM_STEP_ID": 0,
        "SLURM_STEP_NODELIST": "localhost,right[1-9]",
        "SLURM_STEP_NUM_TASKS": 2,
        "SLURM_STEP_TASKS_PER_NODE": "1(x2)",
        "SLURM_LOCALID": 0,
        "MASTER_PORT": free_port(),
    }
    tasks = (step | {"SLURM_PROCID": node, "SLURM_NODEID": node} for node in range(2))
    assert train(*(((sys.executable,), task) for task in tasks)) == on_one_node
