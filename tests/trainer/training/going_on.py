"""A run that is stopped halfway, saved, and goes on elsewhere: on other ranks, in another stage of ZeRO."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.resilience.lineage import lineage, lost_and_twice
from sharding import StreamState
from tests.trainer.components import Components, tiny_config
from trainer.checkpoint import CheckpointFolder, CheckpointMeta, CheckpointStore
from trainer.config import Config
from trainer.distributed import Ranks
from trainer.training.callbacks.factory import RecordLog
from trainer.training.loop import Position
from trainer.training.resume import resume

STEPS, STOP = 6, 3
RECORDS = 12  # of a step: one to four ranks can share them


@dataclass(frozen=True)
class Where:
    """A stage of ZeRO and a number of ranks."""

    stage: int
    world_size: int

    def __str__(self) -> str:
        return f"z{self.stage}w{self.world_size}"


@dataclass(frozen=True)
class Trained:
    """What a rank has at the end, and the losses of the steps that it did."""

    numbers: dict[str, np.ndarray]
    losses: Sequence[dict[str, float]]


def configure(dataset: Path, encoder: Path, stage: int) -> Config:
    """Configure a run that ends within its first epoch."""
    train = {"steps": STEPS, "global_batch": RECORDS, "zero_stage": stage}
    return tiny_config(dataset, encoder, run={"record_log": True}, train=train)


def train(ranks: Ranks, config: Config, folder: Path) -> Trained:
    """Train without a stop."""
    parts = Components.build(config, ranks)
    losses, _ = _go(parts, ranks, folder, Position(0, StreamState()), STEPS)
    return Trained(parts.numbers(), losses)


def begin(ranks: Ranks, config: Config, folder: Path) -> dict[str, np.ndarray]:
    """Train half of the steps, save, and return what it began with."""
    parts = Components.build(config, ranks)
    first = parts.numbers()
    _, stream = _go(parts, ranks, folder, Position(0, StreamState()), STOP)
    meta = CheckpointMeta(STOP, ranks.world_size, stream, parts.loader.stream.guards, config.model_dump(mode="json"))
    CheckpointStore(CheckpointFolder(folder / "checkpoints"), ranks).save(meta, parts.state.files())
    return first


def go_on(ranks: Ranks, config: Config, folder: Path) -> Trained:
    """Train the other half."""
    parts = Components.build(config, ranks)
    checkpoint = CheckpointStore(CheckpointFolder(folder / "checkpoints"), ranks).newest()
    assert checkpoint is not None
    position = resume(checkpoint, parts.state, config, parts.loader.stream)
    losses, _ = _go(parts, ranks, folder, position, STEPS)
    return Trained(parts.numbers(), losses)


def _go(
    parts: Components, ranks: Ranks, folder: Path, position: Position, stop: int
) -> tuple[list[dict[str, float]], StreamState]:
    """Train from a position up to a step; returns losses and where the stream then is."""
    log = RecordLog.open(folder / "records", ranks, parts.loader.stream)
    steps = replace(parts.loader, stream=log).steps(position.stream, position.step)
    losses = []
    for step in range(position.step + 1, stop + 1):
        data = next(steps)
        report = parts.step(step, data.micro_batches)
        position = Position(step, data.state)
        log.after_step(position, report, 0.0)
        losses.append(report.losses)
    log.at_end(position)
    return losses, position.stream


def assert_each_record_once(folder: Path, undisturbed: Path) -> None:
    """Check by their record logs that what is learnt is what a run without a stop learns, and nothing twice."""
    found, wanted = (lineage(place / "records") for place in (folder, undisturbed))
    assert lost_and_twice(found, wanted) == (0, 0)
    assert sorted(found) == list(range(1, STEPS + 1))
    names = [name for read in found.values() for name in read.ids]
    assert len(names) == len(set(names)) == STEPS * RECORDS
