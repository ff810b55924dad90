"""Checkpoints in a bucket, saved and loaded by several ranks that share nothing else."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sharding.remote import open_bucket
from tests.s3_server import environment
from tests.trainer.checkpoint.test_bucket import ROWS, flip_a_byte, object_of, save_all, store_at
from tests.trainer.components import tiny_config
from tests.trainer.training.test_loop import run as train
from trainer.checkpoint import CheckpointMeta
from trainer.config import Config
from trainer.distributed import Ranks
from trainer.labels import RowRange

OnRanks = Callable[..., list[Any]]


def share(ranks: Ranks, url: str, endpoint: str, folder: str) -> list[str]:
    """Load as a rank of a machine that shares nothing but the bucket; name what was fetched."""
    os.environ.update(environment(endpoint))
    tempfile.tempdir = folder
    store = store_at(url, ranks)
    fetched = store.newest(RowRange.of_rank(ROWS, ranks.rank, ranks.world_size))
    assert fetched
    names = sorted(path.name for path in fetched.iterdir())
    store.release()
    return names


def save_twice(ranks: Ranks, url: str, endpoint: str) -> None:
    os.environ.update(environment(endpoint))
    save_all(store_at(url, ranks), 1, 2)


@pytest.mark.ranks
def test_a_rank_fetches_what_it_needs_alone_and_damage_that_any_finds_sends_all_to_the_one_before(
    on_ranks: OnRanks, s3: str, endpoint: str, tmp_path: Path
) -> None:
    on_ranks(save_twice, 2, s3, endpoint)
    first, second = "rows-0000000000-0000000024.safetensors", "rows-0000000024-0000000048.safetensors"
    assert on_ranks(share, 3, s3, endpoint, str(tmp_path)) == [
        ["dense.safetensors", "meta.json", "random-00000.safetensors", first],
        ["dense.safetensors", "meta.json", "random-00001.safetensors", first, second],
        ["dense.safetensors", "meta.json", second],
    ]
    assert list(tmp_path.glob("lmmtc-*")) == []
    bucket = open_bucket(s3)
    flip_a_byte(bucket, object_of(bucket, 2, second))
    assert on_ranks(newest_of, 2, s3, endpoint) == [
        [1, 2, "is damaged, as another rank has found"],
        [1, 2, f"{second} is missing or does not have the contents that were saved"],
    ]


def newest_of(ranks: Ranks, url: str, endpoint: str) -> list[Any]:
    os.environ.update(environment(endpoint))
    passed: list[tuple[int, str]] = []
    store = store_at(url, ranks)
    folder = store.newest(RowRange.of_rank(ROWS, ranks.rank, 2), lambda *told: passed.append(told))
    assert folder
    step = CheckpointMeta.read(folder).step
    store.release()
    return [step, *passed[0]]


def run(ranks: Ranks, config: Config, endpoint: str, stop_at: int) -> tuple[str, int]:
    """Train as the launcher does, stopping at a step; 0: at the last."""
    os.environ.update(environment(endpoint))
    return train(ranks, config, stop_at)


@pytest.mark.ranks
@pytest.mark.nightly
def test_a_run_goes_on_from_a_bucket_on_machines_that_share_nothing_else(
    on_ranks: OnRanks, tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path, s3: str, endpoint: str
) -> None:
    def config(name: str, url: str | None) -> Config:
        training = {"steps": 6, "global_batch": 12, "micro_batch": 6, "zero_stage": 1}
        saves = {"store": url, "every_steps": 2}
        return tiny_config(tiny_dataset, tiny_encoder, tmp_path / name, train=training, checkpoint=saves)

    assert on_ranks(run, 2, config("whole", None), endpoint, 0) == [("done", 0)] * 2
    assert on_ranks(run, 2, config("begun", s3), endpoint, 3) == [("stopped", 0)] * 2
    assert not (tmp_path / "begun" / "checkpoints").exists()
    # Another folder is what another machine would have.
    assert on_ranks(run, 2, config("continued", s3), endpoint, 0) == [("done", 3)] * 2
    store = store_at(s3)
    folder = store.newest()
    assert folder
    for path in (tmp_path / "whole" / "checkpoints" / "step-00000006").glob("*.safetensors"):
        assert (folder / path.name).read_bytes() == path.read_bytes()
    assert store.place.steps() == [4, 6]
