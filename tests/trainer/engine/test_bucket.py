"""A bucket of gradients is fitted to the model: a CPU shows it in the addresses that a process asks for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.components import Components, tiny_config
from trainer.config import BUCKET, Config
from trainer.distributed import Ranks


def address_space_taken(ranks: Ranks, config: Config) -> int:
    """Build a model and train a step; returns the bytes by which its address space grew at most, touched or not."""
    before = most_bytes()
    Components.build(config, ranks).train(1)
    return most_bytes() - before


def most_bytes() -> int:
    """Read the size of the largest address space that this process had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmPeak:"))


@pytest.mark.ranks
def test_a_small_model_does_not_take_the_bucket_of_a_large_one(
    on_ranks: Callable[..., list[Any]], tiny_dataset: Path, tiny_encoder: Path
) -> None:
    def most_taken(stage: int) -> int:
        return max(
            on_ranks(address_space_taken, 2, tiny_config(tiny_dataset, tiny_encoder, train={"zero_stage": stage}))
        )

    without_a_bucket = most_taken(0)
    for stage in (1, 2, 3):
        more = most_taken(stage) - without_a_bucket
        assert more < 4 * BUCKET / 2, stage  # half of one in fp32: threads and libraries take about the same each time
