"""Reading a data set."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sharding import CorruptShardError, DataError, Dataset, ManifestError


@pytest.fixture
def copy(dataset: Dataset, tmp_path: Path) -> Path:
    return shutil.copytree(dataset.path, tmp_path / "copy")


def test_a_split_gives_rows_in_the_order_asked_for(dataset: Dataset) -> None:
    split = dataset.split("train")
    everything = split.take(np.arange(split.num_records), ["id"])["id"].to_pylist()
    assert sorted(everything, key=int) == [str(number) for number in range(97)]
    asked = np.array([96, 3, 3, 50, 0])
    assert split.take(asked, ["id"])["id"].to_pylist() == [everything[row] for row in asked]


def test_labels_are_ids_of_the_vocabulary(dataset: Dataset) -> None:
    table = dataset.split("test").take(np.arange(5), ["id", "labels"])
    names = [dataset.vocabulary.names_of(labels) for labels in table["labels"].to_pylist()]
    assert names == [[f"ends in {record[-1]}"] for record in table["id"].to_pylist()]


def test_shards_come_one_by_one_with_their_paths(dataset: Dataset) -> None:
    split = dataset.split("train")
    paths, pieces = zip(*split.shards(["id"]), strict=True)
    assert list(paths) == [dataset.path / shard.path for shard in dataset.manifest.splits["train"]]
    found = [row for piece in pieces for row in piece["id"].to_pylist()]
    assert found == split.take(np.arange(split.num_records), ["id"])["id"].to_pylist()


def test_an_unknown_split_is_refused_with_those_there_are(dataset: Dataset) -> None:
    with pytest.raises(DataError, match=r"split 'dev': .* has only test, train"):
        dataset.split("dev")


def test_a_data_set_with_a_missing_shard_does_not_open(copy: Path) -> None:
    next((copy / "train").iterdir()).unlink()
    with pytest.raises(ManifestError, match="1 of its files missing, first train/"):
        Dataset.open(copy)


def test_a_truncated_shard_is_named_when_it_is_read(copy: Path) -> None:
    [shard] = (copy / "test").iterdir()
    size = shard.stat().st_size
    shard.write_bytes(shard.read_bytes()[:-8])
    split = Dataset.open(copy).split("test")
    with pytest.raises(CorruptShardError, match=f"{shard.name}: has {size - 8} bytes, its manifest says {size}"):
        split.take(np.arange(1), ["id"])


def test_a_shard_with_other_rows_than_its_manifest_says_is_refused(copy: Path) -> None:
    dataset = Dataset.open(copy)
    [shard] = dataset.manifest.splits["test"]
    replace(dataset.manifest, splits={"test": (replace(shard, rows=4),)}).identified().save(copy)
    with pytest.raises(CorruptShardError, match="has 5 rows, its manifest says 4"):
        Dataset.open(copy).split("test").take(np.arange(1), ["id"])
