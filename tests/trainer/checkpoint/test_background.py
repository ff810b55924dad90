"""Saves that go on while ranks do other things: what all learn of them, and when."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sharding import StreamState
from tests.trainer.checkpoint.test_contents import contents
from tests.trainer.checkpoint.test_store import files, meta
from tests.trainer.components import Components, tiny_config
from trainer.checkpoint import CheckpointFolder, CheckpointMeta, CheckpointStore, load_state
from trainer.checkpoint.storage import Files
from trainer.config import Config
from trainer.distributed import Ranks
from trainer.errors import CheckpointError
from trainer.training.components import build_optimizer

OnRanks = Callable[..., list[Any]]


@dataclass(frozen=True)
class SlowFolder(CheckpointFolder):
    """A folder in which nothing is written before a file called `go` is there."""

    def write(self, step: int, number: int, rank: int, files: Files) -> None:
        while not (self.path / "go").exists():
            time.sleep(0.01)
        super().write(step, number, rank, files)


def save_slowly(ranks: Ranks, folder: Path) -> tuple[list[bool], list[int], list[int], int]:
    """Save step 2 in the background; collectives of training go on."""
    CheckpointStore(CheckpointFolder(folder), ranks).save(meta(1, ranks.world_size), files(1, ranks.rank))
    store = CheckpointStore(SlowFolder(folder), ranks)
    save = store.begin(meta(2, ranks.world_size), files(2, ranks.rank))
    early = [save.done() for _ in range(3)]
    total = int(ranks.sum(torch.tensor([ranks.rank + 1])))
    before = store.place.steps()
    ranks.barrier()
    (folder / "go").touch()
    while not save.done():
        time.sleep(0.01)
    return early, before, store.place.steps(), total


@pytest.mark.ranks
def test_a_checkpoint_is_not_there_before_all_ranks_have_written_and_nobody_waits_for_it(
    on_ranks: OnRanks, tmp_path: Path
) -> None:
    for early, before, after, total in on_ranks(save_slowly, 2, tmp_path):
        assert early == [False] * 3
        assert (before, after) == ([1], [1, 2])
        assert total == 3


@dataclass(frozen=True)
class LateFolder(CheckpointFolder):
    """A folder into which one rank writes half a second after the others."""

    late_rank: int = 0

    def write(self, step: int, number: int, rank: int, files: Files) -> None:
        if rank == self.late_rank:
            time.sleep(0.5)
        super().write(step, number, rank, files)


def fail_late(ranks: Ranks, folder: Path, failing_rank: int) -> tuple[str, int]:
    store = CheckpointStore(LateFolder(folder, late_rank=1 - failing_rank), ranks)
    store.save(meta(1, ranks.world_size), files(1, ranks.rank))
    own: dict[str, Any] = files(2, ranks.rank)
    if ranks.rank == failing_rank:
        own["another.safetensors"] = {"numbers": "not a tensor"}
    save = store.begin(meta(2, ranks.world_size), own)
    try:
        while not save.done():
            time.sleep(0.01)
    except CheckpointError as error:
        newest = store.newest()
        store.save(meta(3, ranks.world_size), files(3, ranks.rank))
        return str(error), int(newest.name[-1]) if newest else 0
    return "saved", 2


@pytest.mark.ranks
@pytest.mark.parametrize("failing_rank", [0, 1])
def test_a_write_that_fails_is_told_to_all_ranks_and_leaves_what_was(
    on_ranks: OnRanks, tmp_path: Path, failing_rank: int
) -> None:
    for rank, (words, newest) in enumerate(on_ranks(fail_late, 2, tmp_path, failing_rank)):
        reason = ": " if rank == failing_rank else " on another rank"
        assert words.startswith(f"{tmp_path}: writing the checkpoint failed{reason}")
        assert words.endswith("earlier ones stand")
        assert newest == 1
    assert CheckpointFolder(tmp_path).steps() == [1, 3]
    assert sorted(tmp_path.glob(".*")) == []


def train_while_saving(ranks: Ranks, config: Config, folder: Path) -> dict[str, np.ndarray]:
    """Save the state after two steps, which is written after two more; return what it was."""
    parts = Components.build(config, ranks, build_optimizer)
    parts.train(2)
    was = {name: array.copy() for name, array in contents(parts).items()}
    store = CheckpointStore(SlowFolder(folder), ranks)
    state = parts.state.files(snapshot=True)
    about = CheckpointMeta(2, ranks.world_size, StreamState(), parts.loader.stream.guards, {})
    save = store.begin(about, state)
    parts.train(4, after=2)
    assert not all(np.array_equal(was[name], array) for name, array in contents(parts).items())
    (folder / "go").touch()
    save.done(wait_for_it=True)
    return was


def load(ranks: Ranks, config: Config, folder: Path) -> dict[str, np.ndarray]:
    parts = Components.build(config, ranks, build_optimizer)
    load_state(folder / "step-00000002", parts.state, 2)
    return contents(parts)


@pytest.mark.ranks
@pytest.mark.parametrize(
    ("stage", "placement"),
    [(0, "host"), (1, "device"), (2, "host"), pytest.param(3, "device", marks=pytest.mark.nightly)],
)
def test_what_is_written_while_training_goes_on_is_the_state_at_the_time_of_the_save(
    on_ranks: OnRanks, tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path, stage: int, placement: str
) -> None:
    train = {"steps": 4, "zero_stage": stage}
    labels = {"optimizer": "adam", "placement": placement, "lr": 0.01}
    config = tiny_config(tiny_dataset, tiny_encoder, train=train, labels=labels)
    was = on_ranks(train_while_saving, 2, config, tmp_path)[0]
    loaded = on_ranks(load, 2, config, tmp_path)[0]
    assert loaded.keys() == was.keys()
    for name, array in was.items():
        np.testing.assert_array_equal(loaded[name], array, err_msg=name)


KILLED = """
import os, signal, sys, time
from pathlib import Path
import torch
from tests.trainer.checkpoint.test_store import files, meta
from trainer.checkpoint import CheckpointFolder, CheckpointStore

folder = Path(sys.argv[1])
store = CheckpointStore(CheckpointFolder(folder))
store.save(meta(1), files(1))
store.begin(meta(2), {"large.safetensors": {"zeros": torch.zeros(64 << 20)}})
while not [file for file in folder.glob(".step-00000002.tmp/rank-00000/.*") if file.stat().st_size]:
    time.sleep(0.0001)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_in_the_middle_of_a_save_leaves_the_one_before(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, tmp_path], timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert [file.stat().st_size < 256 << 20 for file in tmp_path.glob(".step-00000002.tmp/rank-00000/.*")] == [True]
    store = CheckpointStore(CheckpointFolder(tmp_path))
    assert store.newest() == tmp_path / "step-00000001"
    store.save(meta(3), files(3))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001", "step-00000003"]
