"""A run of two ranks that evaluates and saves all the time."""

from pathlib import Path

import pytest

from tests.e2e.launching import STALL_SECONDS, STEPS
from tests.programs import write_config


@pytest.fixture
def config(tmp_path: Path, tiny_dataset: Path, tiny_encoder: Path) -> Path:
    """Configure a run that evaluates and saves after every second step."""
    return write_config(
        tmp_path / "run.toml",
        run={"folder": tmp_path / "run", "threads": 1, "stall_seconds": STALL_SECONDS},
        data={"dataset": tiny_dataset},
        model={"encoder": tiny_encoder, "max_tokens": 24},
        train={"steps": STEPS, "global_batch": 8, "micro_batch": 4, "lr": 1e-3},
        checkpoint={"every_steps": 2},
        evaluation={"every_steps": 2, "batch": 1},
    )
