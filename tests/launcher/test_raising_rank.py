"""A rank that raises among others, where leaving the process group waits for all of them, as NCCL's does."""

import json
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from launcher.ports import free_port
from tests.programs import end_of, started, write_config

RANK = """
import os
import sys
import time

import torch

from launcher.run import main
from trainer import distributed
from trainer.training.step import TrainingStep


def wait_for_all():
    time.sleep(1000)


def step(self, number, micro_batches, *, stop=False):
    if number == 2 and os.environ["RANK"] == "1":
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    return whole(self, number, micro_batches, stop=stop)


distributed.dist.destroy_process_group = wait_for_all
whole, TrainingStep.__call__ = TrainingStep.__call__, step
sys.exit(main())
"""


@pytest.mark.ranks
def test_a_rank_that_raises_says_so_at_once_and_waits_for_nobody(
    tmp_path: Path, sections: dict[str, dict[str, Any]]
) -> None:
    config = write_config(tmp_path / "run.toml", **sections | {"run": {"folder": tmp_path / "run", "threads": 1}})
    place = {"WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    begun = time.monotonic()
    with ExitStack() as stack:
        ranks = [
            stack.enter_context(
                started(sys.executable, "-c", RANK, "--config", config, env=place | {"RANK": rank, "LOCAL_RANK": rank})
            )
            for rank in range(2)
        ]
        raised = end_of(ranks[1], code=1, timeout=200)
        lost = end_of(ranks[0], code=75, timeout=200)
    assert time.monotonic() - begun < 400
    said = "[rank 1] OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
    assert raised.err.splitlines()[-1] == said
    assert "Traceback (most recent call last)" in raised.err
    assert "[rank 0] PeerLostError: another rank has died, or cannot be reached" in lost.err
    events = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    (fault,) = [event for event in events if event["event"] == "fault"]
    assert (fault["rank"], fault["error"], fault["exit_code"]) == (1, "OutOfMemoryError", 1)
    assert fault["message"] in said
