"""A data set in a bucket, read as one on the disk is."""

import shutil
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sharding import (
    Budget,
    BudgetStream,
    CacheSettings,
    CorruptShardError,
    DataError,
    Dataset,
    ManifestError,
    StreamState,
    TrainStream,
    convert,
    sequential,
)
from sharding.remote import FetchTotals, RemoteBackend, open_store, upload
from sharding.remote.pins import is_pinned


def silent(_done: int, _total: int, _what: str) -> None:
    pass


def counts(dataset: Dataset) -> FetchTotals:
    assert isinstance(dataset.place, RemoteBackend)
    return dataset.place.counts.now


@pytest.fixture
def address(s3: str, dataset: Dataset) -> str:
    """Upload 97 training records in 10 shards."""
    upload(dataset.path, s3, silent)
    return s3


def read(dataset: Dataset, steps: int) -> Iterator[pa.Table]:
    stream = TrainStream(dataset, "train", seed=3, global_batch=8, columns=("id", "tokens", "labels"))
    return (batch.table for batch, _ in islice(stream.batches(StreamState()), steps))


def test_a_data_set_in_a_bucket_gives_the_records_of_the_one_that_was_uploaded(
    address: str, dataset: Dataset, tmp_path: Path
) -> None:
    remote = Dataset.open(address, cache=CacheSettings(tmp_path / "cache"))
    assert remote.manifest == dataset.manifest
    assert remote.vocabulary.names == dataset.vocabulary.names
    assert list(read(remote, 30)) == list(read(dataset, 30))
    assert counts(remote).fetches == 10
    assert counts(remote).bytes >= sum(shard.files["arrow"].bytes for shard in dataset.manifest.splits["train"])
    again = Dataset.open(address, cache=CacheSettings(tmp_path / "cache"))
    assert list(read(again, 5)) == list(read(dataset, 5))
    assert counts(again).fetches == 0


def test_shards_are_fetched_before_they_are_taken(address: str, tmp_path: Path) -> None:
    remote = Dataset.open(address, cache=CacheSettings(tmp_path / "cache"))
    split = remote.split("train")
    split.expect(np.arange(25))
    deadline = time.monotonic() + 20
    while counts(remote).fetches < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    split.take(np.arange(20), ("id",))
    assert (counts(remote).fetches, counts(remote).hits) == (3, 0)


@pytest.mark.parametrize("keep", [10, 1000])
def test_shards_that_were_passed_make_room_for_others(
    address: str, dataset: Dataset, tmp_path: Path, keep: int
) -> None:
    sizes = [shard.files["arrow"].bytes for shard in dataset.manifest.splits["train"]]
    remote = Dataset.open(address, cache=CacheSettings(tmp_path / "cache", 3 * max(sizes)))
    split, local = remote.split("train"), dataset.split("train")
    for start in range(0, 97, 10):
        split.advance(start, keep)
        rows = np.arange(start, min(start + 10, 97))
        assert split.take(rows, ("id",)) == local.take(rows, ("id",))
    held = sum(path.stat().st_size for path in (tmp_path / "cache" / "shards").glob("*.shard"))
    assert held <= 3 * max(sizes)


def test_a_pass_in_file_order_keeps_nothing_for_longer_than_two_batches(dataset: Dataset, tmp_path: Path) -> None:
    remote = Dataset.open(dataset.path.as_uri(), cache=CacheSettings(tmp_path / "cache"))
    folder = tmp_path / "cache" / "shards"
    kept = [sum(map(is_pinned, folder.glob("*.shard"))) for _ in sequential(remote.split("train"), batch=5)]
    assert max(kept) == 2
    assert not any(map(is_pinned, folder.glob("*.shard")))
    assert len(list(folder.glob("*.shard"))) == 10


def test_a_limit_that_cannot_hold_what_is_in_use_is_refused_with_the_number(
    address: str, dataset: Dataset, tmp_path: Path
) -> None:
    sizes = [shard.files["arrow"].bytes for shard in dataset.manifest.splits["train"]]
    remote = Dataset.open(address, cache=CacheSettings(tmp_path / "cache", 3 * max(sizes)))
    with pytest.raises(DataError, match=r"the limit must be at least \d+ bytes"):
        list(read(remote, 30))  # one window over all shards needs all of them at once


def test_a_budget_of_tokens_reads_the_same_from_a_bucket(address: str, dataset: Dataset, tmp_path: Path) -> None:
    budget = Budget(micro_tokens=32, micro_records=8, micro_batches=4, max_tokens=64, pool=24)
    remote = Dataset.open(address, cache=CacheSettings(tmp_path / "cache"))
    found, wanted = (
        [
            batch.table
            for step, _ in islice(BudgetStream(each, "train", budget, seed=1).steps(StreamState()), 9)
            for batch in step
        ]
        for each in (remote, dataset)
    )
    assert found == wanted


def test_a_rank_asks_ahead_only_for_shards_that_it_reads(
    texts: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, held = [], []
    expect, hold = RemoteBackend.expect, RemoteBackend.hold
    monkeypatch.setattr(RemoteBackend, "expect", lambda place, info: (asked.append(info.path), expect(place, info))[1])
    monkeypatch.setattr(RemoteBackend, "hold", lambda place, info: (held.append(info.path), hold(place, info))[1])
    budget = Budget(micro_tokens=32, micro_records=4, micro_batches=8, max_tokens=64, pool=16)
    remote = Dataset.open(texts.path.as_uri(), cache=CacheSettings(tmp_path / "cache"))
    steps = BudgetStream(remote, "train", budget, seed=1, world_size=8).steps(StreamState())
    next(steps)
    of_the_next_pool = set(asked)
    while next(steps)[1].consumed < 2 * budget.pool:
        pass
    assert of_the_next_pool
    assert of_the_next_pool <= set(held)
    remote.close()


def test_webdataset_shards_come_from_a_bucket_too(
    s3: str, dataset: Dataset, tmp_path: Path, tokenizer_folder: Path
) -> None:
    source = dataset.path.parent / "numbers.jsonl"
    convert(source, tmp_path / "both", tokenizer_folder, shard_rows=10, kinds=("arrow", "webdataset"))
    upload(tmp_path / "both", s3, silent)
    remote = Dataset.open(s3, "webdataset", CacheSettings(tmp_path / "cache"))
    assert list(read(remote, 12)) == list(read(dataset, 12))


def test_an_upload_goes_on_and_never_replaces_another_data_set(
    address: str, dataset: Dataset, tmp_path: Path, tokenizer_folder: Path
) -> None:
    assert upload(dataset.path, address, silent) == dataset.manifest
    (tmp_path / "other.jsonl").write_text('{"id": "1", "split": "train", "text": "a", "labels": ["b"]}\n')
    convert(tmp_path / "other.jsonl", tmp_path / "other", tokenizer_folder)
    with pytest.raises(DataError, match=r"manifest\.json"):
        upload(tmp_path / "other", address, silent)
    assert Dataset.open(address, cache=CacheSettings(tmp_path / "cache")).manifest == dataset.manifest


def test_damage_in_a_bucket_is_named_by_address(address: str, dataset: Dataset, tmp_path: Path) -> None:
    shard = dataset.manifest.splits["train"][0].files["arrow"]
    damaged = tmp_path / "damaged"
    damaged.write_bytes((dataset.path / shard.path).read_bytes()[:-1] + b"?")
    store = open_store(address)
    store.write(shard.path, damaged)
    remote = Dataset.open(address, cache=CacheSettings(tmp_path / "cache"))
    with pytest.raises(CorruptShardError, match=rf"{address}/{shard.path}: its manifest says .*, found"):
        remote.split("train").take(np.arange(3), ("id",))
    store.write("labels.arrow", damaged)
    with pytest.raises(CorruptShardError, match=r"labels\.arrow: sha256 = .*: its manifest says"):
        Dataset.open(address, cache=CacheSettings(tmp_path / "elsewhere"))


def test_an_address_without_a_data_set_or_a_cache_is_refused(s3: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is not on this machine: name a folder on a local disk .* data\.cache"):
        Dataset.open(s3)
    with pytest.raises(DataError, match=r"manifest\.json: no such object"):
        Dataset.open(s3, cache=CacheSettings(tmp_path / "cache"))


def test_a_changed_manifest_is_not_believed(address: str, dataset: Dataset, tmp_path: Path) -> None:
    changed = shutil.copyfile(dataset.path / "manifest.json", tmp_path / "manifest.json")
    changed.write_text(changed.read_text().replace('"rows": 10', '"rows": 9', 1))
    open_store(address).write("manifest.json", changed)
    with pytest.raises(ManifestError, match="dataset_id does not match the content"):
        Dataset.open(address, cache=CacheSettings(tmp_path / "cache"))
