"""A run that goes on with another number of ranks, or in another stage of ZeRO, is the run that never stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sharding import StreamState
from tests.trainer.engine.test_equality import assert_equal_training
from tests.trainer.parts import Parts, tiny_config
from trainer.checkpoint import CheckpointFolder, CheckpointMeta, CheckpointStore
from trainer.config import Config
from trainer.distributed import Ranks
from trainer.loop import Position
from trainer.resume import resume

OnRanks = Callable[..., list[Any]]
Trained = tuple[dict[str, np.ndarray], list[dict[str, float]]]

STEPS, STOP = 6, 3
Case = tuple[tuple[int, int], tuple[int, int]]
# (stage of ZeRO, world size) before and after the stop.
CASES: list[Case] = [
    *(((1, before), (1, after)) for before, after in ((1, 2), (2, 1), (2, 3), (3, 2), (4, 2), (1, 4))),
    *(((2, before), (2, after)) for before, after in ((2, 3), (3, 1))),
    *(((3, before), (3, after)) for before, after in ((2, 3), (3, 1))),
    ((1, 2), (3, 3)),
    ((3, 2), (0, 1)),
]

pytestmark = [pytest.mark.ranks, pytest.mark.slow]


def go(parts: Parts, position: Position, stop: int) -> tuple[list[dict[str, float]], StreamState]:
    """Train from a position up to a step; returns losses and where the stream then is."""
    losses, stream = [], position.stream
    steps = parts.loader.steps(position.stream, position.step)
    for step in range(position.step + 1, stop + 1):
        data = next(steps)
        losses.append(parts.step(step, data.micro_batches).losses)
        stream = data.state
    return losses, stream


def train(ranks: Ranks, config: Config) -> Trained:
    parts = Parts.build(config, ranks)
    losses, _ = go(parts, Position(0, StreamState()), STEPS)
    return parts.numbers(), losses


def begin(ranks: Ranks, config: Config, folder: Path) -> dict[str, np.ndarray]:
    """Train half of the steps, save, and return what it began with."""
    parts = Parts.build(config, ranks)
    first = parts.numbers()
    _, stream = go(parts, Position(0, StreamState()), STOP)
    meta = CheckpointMeta(STOP, ranks.world_size, stream, parts.loader.stream.guards, config.model_dump(mode="json"))
    CheckpointStore(CheckpointFolder(folder), ranks).save(meta, parts.state.files())
    return first


def go_on(ranks: Ranks, config: Config, folder: Path) -> Trained:
    parts = Parts.build(config, ranks)
    checkpoint = CheckpointStore(CheckpointFolder(folder), ranks).newest()
    assert checkpoint is not None
    losses, _ = go(parts, resume(checkpoint, parts.state, config, parts.loader.stream), STEPS)
    return parts.numbers(), losses


def configure(dataset: Path, encoder: Path, stage: int) -> Config:
    """Twelve records can be shared by one to four ranks; an epoch has fewer steps than the run."""
    return tiny_config(dataset, encoder, train={"steps": STEPS, "global_batch": 12, "zero_stage": stage})


@pytest.fixture(scope="module")
def undisturbed(on_ranks: OnRanks, tiny_dataset: Path, tiny_encoder: Path) -> Trained:
    return on_ranks(train, 1, configure(tiny_dataset, tiny_encoder, 1))[0]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_losses_and_parameters_are_those_of_a_run_that_never_stopped(
    on_ranks: OnRanks, undisturbed: Trained, tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path, case: Case
) -> None:
    wanted, losses = undisturbed
    (stage, world_size), (other_stage, other_world_size) = case
    first = on_ranks(begin, world_size, configure(tiny_dataset, tiny_encoder, stage), tmp_path)[0]
    config = configure(tiny_dataset, tiny_encoder, other_stage)
    for after, found in on_ranks(go_on, other_world_size, config, tmp_path):
        assert_equal_training(after, wanted, first)
        for step, expected in zip(found, losses[STOP:], strict=True):
            assert step == pytest.approx(expected, rel=1e-5)  # sums in another order
