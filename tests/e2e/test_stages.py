"""Two ranks under the real launcher have the losses of one process without ZeRO, in the first stage and in the last."""

import json
import sys
from pathlib import Path

import pytest

from launcher.ports import free_port
from tests.programs import PROGRAMS, finish, write_run

pytestmark = [pytest.mark.ranks, pytest.mark.slow]

STEPS = 6
LAUNCHER = (PROGRAMS / "deepspeed", "--num_accelerators", 2)


def configure(place: Path, dataset: Path, encoder: Path, zero_stage: int, driver: str) -> Path:
    return write_run(
        place,
        dataset,
        encoder,
        cloze={"shortlist": 12, "chunk": 5, "driver": driver},
        train={"steps": STEPS, "global_batch": 32, "micro_batch": 8, "zero_stage": zero_stage, "lr": 1e-3},
        evaluation={"every_steps": 4},
    )


def losses(config: Path) -> list[dict[str, float]]:
    events = map(json.loads, (config.with_name("run") / "events.jsonl").read_text().splitlines())
    return [event["loss"] for event in events if event["event"] == "step"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Path, tiny_encoder: Path) -> list[dict[str, float]]:
    """Train in one process."""
    config = configure(tmp_path_factory.mktemp("alone") / "run", tiny_dataset, tiny_encoder, 0, "checkpointed")
    finish(sys.executable, "launcher/run.py", "--config", config, timeout=200)
    return losses(config)


@pytest.mark.parametrize(("zero_stage", "driver"), [(1, "fused"), (3, "checkpointed")])
def test_two_ranks_under_the_launcher_have_the_losses_of_one_process(
    alone: list[dict[str, float]], tmp_path: Path, tiny_dataset: Path, tiny_encoder: Path, zero_stage: int, driver: str
) -> None:
    config = configure(tmp_path / "run", tiny_dataset, tiny_encoder, zero_stage, driver)
    finish(*LAUNCHER, "--master_port", free_port(), "launcher/run.py", "--config", config, timeout=200)
    together = losses(config)
    assert len(together) == len(alone) == STEPS
    for step, wanted in zip(together, alone, strict=True):
        # fp32 sums in another order: 6e-8 was seen.
        assert step == pytest.approx(wanted, rel=1e-6)
