"""Reading a data set."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sharding import CorruptShardError, DataError, Dataset, ManifestError
from sharding.dataset import shard_pool as module
from sharding.formats import ArrowShard, write_shard
from sharding.layout.manifest import KINDS
from tests.rewriting import rewrite


@pytest.fixture(scope="module")
def both(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rewrite(dataset.path, tmp_path_factory.mktemp("both") / "both", *KINDS)


@pytest.fixture
def copy(dataset: Dataset, tmp_path: Path) -> Path:
    return shutil.copytree(dataset.path, tmp_path / "copy")


def test_a_split_gives_rows_in_the_order_asked_for(dataset: Dataset) -> None:
    split = dataset.split("train")
    everything = split.take(np.arange(split.num_records), ["id"])["id"].to_pylist()
    assert sorted(everything, key=int) == [str(number) for number in range(97)]
    asked = np.array([96, 3, 3, 50, 0])
    assert split.take(asked, ["id"])["id"].to_pylist() == [everything[row] for row in asked]


def test_lengths_are_those_of_the_tokens_in_the_order_asked_for(dataset: Dataset) -> None:
    split, asked = dataset.split("train"), np.array([96, 3, 3, 50, 0])
    lengths = split.lengths(asked)
    assert lengths.dtype == np.int64
    assert lengths.tolist() == [len(tokens) for tokens in split.take(asked, ["tokens"])["tokens"].to_pylist()]


def test_labels_are_ids_of_the_vocabulary(dataset: Dataset) -> None:
    table = dataset.split("test").take(np.arange(5), ["id", "labels"])
    names = [dataset.vocabulary.names_of(labels) for labels in table["labels"].to_pylist()]
    assert names == [[f"ends in {record[-1]}"] for record in table["id"].to_pylist()]


def test_shards_come_one_by_one_with_their_paths(dataset: Dataset) -> None:
    split = dataset.split("train")
    paths, pieces = zip(*split.shards(["id"]), strict=True)
    assert list(paths) == [str(dataset.path / shard.files["arrow"].path) for shard in dataset.manifest.splits["train"]]
    found = [row for piece in pieces for row in piece["id"].to_pylist()]
    assert found == split.take(np.arange(split.num_records), ["id"])["id"].to_pylist()


def test_lengths_are_told_without_the_records(copy: Path) -> None:
    split = Dataset.open(copy).split("train")
    rows = np.array([96, 3, 3, 50, 0])
    texts = split.take(rows, ["tokens"])["tokens"].to_pylist()
    unread = Dataset.open(copy).split("train")
    for shard in (copy / "train").glob("?????-????????????????.arrow"):
        shard.unlink()
    assert unread.lengths(rows).tolist() == list(map(len, texts))
    assert unread.lengths(rows).dtype == np.int64


def test_arrow_is_read_where_there_is_a_choice(both: Path, dataset: Dataset, tmp_path: Path) -> None:
    tar = rewrite(dataset.path, tmp_path / "tar", "webdataset")
    opened = [Dataset.open(both), Dataset.open(both, "webdataset"), Dataset.open(tar)]
    assert [found.kind for found in opened] == ["arrow", "webdataset", "webdataset"]


def test_both_formats_are_one_data_set_of_the_same_records(both: Path) -> None:
    arrow, tar = Dataset.open(both, "arrow"), Dataset.open(both, "webdataset")
    assert arrow.manifest == tar.manifest
    rows = np.array([96, 3, 3, 50, 0])
    columns = ["text", "tokens", "id", "labels"]
    assert arrow.split("train").take(rows, columns).equals(tar.split("train").take(rows, columns))
    whole = [[rows for _, rows in opened.split("train").shards(columns)] for opened in (arrow, tar)]
    assert whole[0] == whole[1]
    assert {Path(path).suffix for path, _ in tar.split("train").shards(columns)} == {".tar"}


def test_a_format_that_is_not_there_is_refused_with_those_there_are(dataset: Dataset) -> None:
    with pytest.raises(DataError, match=r"format 'webdataset': .*numbers has only arrow"):
        Dataset.open(dataset.path, "webdataset")


def test_a_format_is_read_where_the_other_was_not_fetched(both: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(both, tmp_path / "copy", ignore=shutil.ignore_patterns("?????-????????????????.arrow"))
    assert Dataset.open(copy, "webdataset").split("test").take(np.array([0]), ["id"]).num_rows == 1
    with pytest.raises(ManifestError, match=r"11 of its files missing, first t\w+/00000-\w+\.arrow"):
        Dataset.open(copy)


def test_an_unknown_split_is_refused_with_those_there_are(dataset: Dataset) -> None:
    with pytest.raises(DataError, match=r"split 'dev': .* has only test, train"):
        dataset.split("dev")


def test_a_data_set_with_a_missing_shard_does_not_open(copy: Path) -> None:
    next((copy / "train").glob("*.index.arrow")).unlink()
    with pytest.raises(ManifestError, match="1 of its files missing, first train/"):
        Dataset.open(copy)


def test_a_truncated_shard_is_named_when_it_is_read(copy: Path) -> None:
    shard = copy / Dataset.open(copy).manifest.splits["test"][0].files["arrow"].path
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


def write_ids(copy: Path, split: str, column: str, number: int) -> Path:
    """Replace the last id of a split's last shard; its size stays what the manifest says."""
    path = copy / Dataset.open(copy).manifest.splits[split][-1].files["arrow"].path
    rows = ArrowShard.open(path).rows
    values = rows[column].flatten().to_numpy().copy()
    values[-1] = number
    place = rows.schema.get_field_index(column)
    lists = pa.ListArray.from_arrays(rows[column].offsets, pa.array(values))
    rows = rows.set_column(place, column, lists)
    path.unlink()  # it is mapped
    write_shard(path, rows)
    return path


@pytest.mark.parametrize(("column", "end"), [("labels", 10), ("tokens", 30_522)])
def test_an_id_that_nothing_has_is_named_with_its_shard_when_it_is_read(copy: Path, column: str, end: int) -> None:
    path = write_ids(copy, "test", column, end)
    split = Dataset.open(copy).split("test")
    split.take(np.arange(4), ["tokens", "labels"])
    split.take(np.arange(5), ["id"])
    with pytest.raises(CorruptShardError) as caught:
        split.take(np.arange(5), ["tokens", "labels"])
    assert str(caught.value) == (
        f"shard {path}: column '{column}' holds {end}: must be below {end}: see `lmmtc verify`, convert again"
    )


def test_the_largest_id_there_is_can_be_read(copy: Path) -> None:
    write_ids(copy, "test", "labels", 9)
    assert Dataset.open(copy).split("test").take(np.array([4]), ["labels"])["labels"].to_pylist() == [[9]]


def test_no_more_files_are_mapped_than_a_process_may_have(both: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_MAPPED", 4)
    for kind in KINDS:
        split = Dataset.open(both, kind).split("train")
        rows = np.arange(split.num_records)
        everything = split.take(rows, ["id"])
        assert split.take(rows[::-1], ["id"])["id"].to_pylist() == everything["id"].to_pylist()[::-1]
        assert len(split.lengths(rows)) == 97
        mapped = Path("/proc/self/maps").read_text().splitlines()
        # A tar is mapped together with its sidecar.
        assert sum(str(both / "train") in line for line in mapped) <= 3 * 4
        del split, everything
