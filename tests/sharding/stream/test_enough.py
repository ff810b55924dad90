"""What a simulation calls a cache that is large enough, against streams that read through one of that size."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sharding import (
    Budget,
    BudgetStream,
    CacheSettings,
    Dataset,
    Manifest,
    Reading,
    SimulatedCluster,
    Simulator,
    StepStream,
    StreamState,
    TrainStream,
    write_shard_files,
)
from sharding.layout.shards import in_folder, open_shard
from sharding.remote import RemoteBackend

SHARDS, ROWS, LANES, RANKS = 240, 200, 4, 2
BATCH, MICRO_BATCH, MICRO_TOKENS, MAX_TOKENS = 64, 16, 128, 16


@pytest.fixture(scope="module")
def many(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """48,000 training records, each one of ten, in 240 shards of unequal sizes."""
    folder = tmp_path_factory.mktemp("many") / "shards"
    shutil.copytree(dataset.path, folder, ignore=shutil.ignore_patterns("train", "test", "manifest.json"))
    manifest = Manifest.load(dataset.path)
    rows = open_shard(in_folder(dataset.path), manifest.splits["train"][0], "arrow").rows
    random = np.random.default_rng(0)
    shards = tuple(
        write_shard_files(folder, f"train/{number:05}", rows.take(random.integers(0, 10, ROWS)), ["arrow"])
        for number in range(SHARDS)
    )
    replace(manifest, splits={"train": shards}).identified().save(folder)
    return Dataset.open(folder)


def simulator(dataset: Dataset) -> Simulator:
    return Simulator(
        dataset=dataset,
        split="train",
        cluster=SimulatedCluster(1, RANKS),
        global_batch=BATCH,
        micro_batch=MICRO_BATCH,
        max_tokens=MAX_TOKENS,
        lanes=LANES,
    )


def stream(dataset: Dataset, rank: int, budget: Budget | None) -> StepStream:
    shape: dict[str, Any] = {"seed": 1, "world_size": RANKS, "rank": rank, "lanes": LANES}
    if budget is None:
        return TrainStream(dataset, "train", global_batch=BATCH, **shape)
    return BudgetStream(dataset, "train", budget, **shape)


def fetches(many: Dataset, cache: CacheSettings, budget: Budget | None) -> tuple[int, int]:
    """Read on two ranks that share a cache, step by step; count their fetches in one epoch, and some steps later."""
    ranks = [Dataset.open(many.path.as_uri(), cache=cache) for _ in range(RANKS)]
    streams = [stream(dataset, rank, budget).steps(StreamState()) for rank, dataset in enumerate(ranks)]
    counts = [dataset.place.counts for dataset in ranks if isinstance(dataset.place, RemoteBackend)]
    first = 0
    for (_, state), _ in zip(*streams, strict=True):
        if state.epoch and not first:
            first = sum(each.now.fetches for each in counts)
        if state.epoch and state.consumed > ROWS * SHARDS // 10:
            break
    for dataset in ranks:
        dataset.close()
    return first, sum(each.now.fetches for each in counts)


def assert_enough(many: Dataset, reading: Reading, cache: Path, budget: Budget | None) -> None:
    """Shards are unequal, so that an order of another seed needs another cache: what it needs at least is there."""
    assert reading.open_shards < SHARDS
    first, both = fetches(many, CacheSettings(cache, reading.cache_bytes), budget)
    assert SHARDS <= first < both <= 1.25 * SHARDS


def test_a_cache_that_is_enough_for_batches_of_records_is(many: Dataset, tmp_path: Path) -> None:
    assert_enough(many, simulator(many).batches_of_records().reading, tmp_path / "cache", None)


@pytest.mark.nightly
def test_a_cache_that_is_enough_for_budgets_of_tokens_is(
    many: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sharding.stream.token_budget._POOL", 1000)
    budget = Budget.of_batch(MICRO_TOKENS, global_batch=BATCH, micro_batch=MICRO_BATCH, max_tokens=MAX_TOKENS)
    assert_enough(many, simulator(many).budgets_of_tokens(MICRO_TOKENS).reading, tmp_path / "cache", budget)
