"""A published data set that grows."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sharding import CorruptShardError, DataError, Dataset, Manifest, convert, merge, verify


def write(path: Path, numbers: range, split: str = "train") -> Path:
    with path.open("w") as file:
        for number in numbers:
            labels = [f"ends in {number % 10}"]
            record = {"id": str(number), "split": split, "text": f"number {number}", "labels": labels}
            file.write(json.dumps(record) + "\n")
    return path


@pytest.fixture
def base(dataset: Dataset, tmp_path: Path) -> Path:
    return shutil.copytree(dataset.path, tmp_path / "base")


@pytest.fixture
def more(base: Path, tmp_path: Path, tokenizer_folder: Path) -> Path:
    source = write(tmp_path / "more.jsonl", range(200, 225))
    convert(source, tmp_path / "more", tokenizer_folder, vocabulary=base / "labels.arrow", shard_rows=10)
    return tmp_path / "more"


def ids(dataset: Dataset, split: str) -> list[str]:
    rows = dataset.split(split)
    return rows.take(np.arange(rows.num_records), ["id"])["id"].to_pylist()


def test_a_merged_data_set_has_all_records_and_counts_and_the_old_files_as_they_were(base: Path, more: Path) -> None:
    before = {path: path.read_bytes() for path in base.rglob("*") if path.is_file() and path.name != "manifest.json"}
    old = Dataset.open(base)
    old_train = ids(old, "train")
    manifest = merge(base, [more])
    grown = Dataset.open(base)
    assert grown.manifest == manifest
    assert manifest.dataset_id != old.manifest.dataset_id
    assert ids(grown, "train") == [*old_train, *ids(Dataset.open(more), "train")]
    assert ids(grown, "test") == ids(old, "test")
    assert (grown.vocabulary.counts - old.vocabulary.counts).tolist() == [
        sum(f"ends in {number % 10}" == name for number in range(200, 225)) for name in old.vocabulary.names.to_pylist()
    ]
    assert verify(base).problems == ()
    assert {path: path.read_bytes() for path in before} == before
    assert ids(old, "train") == old_train  # opened before, still read


def test_records_without_a_training_split_count_for_no_label(
    base: Path, tmp_path: Path, tokenizer_folder: Path
) -> None:
    source = write(tmp_path / "dev.jsonl", range(300, 310), "dev")
    convert(source, tmp_path / "dev", tokenizer_folder, vocabulary=base / "labels.arrow")
    counts = Dataset.open(base).vocabulary.counts
    merge(base, [tmp_path / "dev"])
    assert (Dataset.open(base).vocabulary.counts == counts).all()
    assert Dataset.open(base).manifest.splits.keys() == {"train", "dev", "test"}


def test_counts_that_come_from_elsewhere_are_not_added_to(base: Path, tmp_path: Path, tokenizer_folder: Path) -> None:
    """A data set without training records shows the counts of the one whose labels it has."""
    convert(
        write(tmp_path / "dev.jsonl", range(300, 310), "dev"),
        tmp_path / "dev",
        tokenizer_folder,
        vocabulary=base / "labels.arrow",
    )
    counts = Dataset.open(base).vocabulary.counts
    merge(tmp_path / "dev", [base])
    assert (Dataset.open(tmp_path / "dev").vocabulary.counts == counts).all()


def test_a_shard_that_is_a_link_elsewhere_is_merged_as_the_file_that_it_leads_to(
    base: Path, more: Path, tmp_path: Path
) -> None:
    (tmp_path / "kept").mkdir()
    for file in list((more / "train").iterdir()):
        file.rename(tmp_path / "kept" / file.name)
        file.symlink_to(Path("../../kept") / file.name)
    merge(base, [more])
    shutil.rmtree(tmp_path / "more")
    assert not any(path.is_symlink() for path in base.rglob("*"))
    assert verify(base).problems == ()


def test_a_data_set_is_not_merged_twice(base: Path, more: Path) -> None:
    with pytest.raises(DataError, match=r"its shard train/00000-.* is in .*more already: records would come twice"):
        merge(base, [more, more])
    published = merge(base, [more])
    with pytest.raises(DataError, match=r"its shard train/00000-.* is in .*base already"):
        merge(base, [more])
    assert Manifest.load(base) == published


@pytest.mark.parametrize(
    ("options", "what"), [({"max_tokens": 3}, "max_tokens"), ({}, "labels"), ({"kinds": ["webdataset"]}, "formats")]
)
def test_a_data_set_that_does_not_fit_is_refused(
    base: Path, tmp_path: Path, tokenizer_folder: Path, options: dict, what: str
) -> None:
    given = {"vocabulary": base / "labels.arrow"} if what != "labels" else {}
    convert(write(tmp_path / "other.jsonl", range(3)), tmp_path / "other", tokenizer_folder, **given, **options)
    before = sorted(base.rglob("*"))
    with pytest.raises(DataError, match=rf"other: has other {what} than .*base: convert it with the same options and"):
        merge(base, [tmp_path / "other"])
    assert sorted(base.rglob("*")) == before


def test_a_damaged_data_set_is_refused(base: Path, more: Path) -> None:
    shard = next((more / "train").glob("*[0-9a-f].arrow"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    with pytest.raises(CorruptShardError, match="nothing was merged"):
        merge(base, [more])
