"""A run of two ranks that evaluates and saves all the time, and a place to scrape one at."""

from pathlib import Path

import pytest

from launcher.ports import free_port
from tests.e2e.launching import STALL_SECONDS, STEPS
from tests.programs import write_run


@pytest.fixture
def port() -> int:
    """Find a free port for each of two ranks, the first of them."""
    return free_port(in_a_row=2)


@pytest.fixture
def config(tmp_path: Path, tiny_dataset: Path, tiny_encoder: Path) -> Path:
    """Configure a run that evaluates and saves after every second step."""
    return write_run(
        tmp_path,
        tiny_dataset,
        tiny_encoder,
        run={"stall_seconds": STALL_SECONDS},
        train={"steps": STEPS, "global_batch": 8, "micro_batch": 4, "lr": 1e-3},
        checkpoint={"every_steps": 2},
        evaluation={"every_steps": 2, "batch": 1},
    )
