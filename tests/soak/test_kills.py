"""A training that is killed at random, many times, has the parameters and the records of one that is not."""

import os
from pathlib import Path

import pytest

from benchmarks.resilience.soak import Soaked, soak
from tests.programs import write_run

pytestmark = pytest.mark.ranks


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(3, marks=[pytest.mark.nightly]),
        pytest.param(30, marks=[pytest.mark.soak, pytest.mark.timeout(2400)]),
    ],
)
def test_random_kills_change_no_parameter_and_lose_no_record(
    tmp_path: Path, tiny_dataset: Path, tiny_encoder: Path, kills: int
) -> None:
    config = write_run(
        tmp_path,
        tiny_dataset,
        tiny_encoder,
        train={"steps": 1, "global_batch": 8, "micro_batch": 4, "lr": 1e-3},
        evaluation={"records": 8, "batch": 4},
    )
    seed = int.from_bytes(os.urandom(4))  # printed: what fails is shown with it
    found = soak(tmp_path, ("--config", str(config)), kills=kills, seed=seed)
    assert found == Soaked(kills, records_lost=0, records_twice=0, same_parameters=True)
