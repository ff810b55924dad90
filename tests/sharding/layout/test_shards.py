"""The files of a shard."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xxhash

from sharding import CorruptShardError, ShardInfo, write_shard_files
from sharding.layout.manifest import KINDS, Kind
from sharding.layout.shards import in_folder, open_index, open_shard
from tests.sharding.formats.rows import FEW


@pytest.fixture
def info(tmp_path: Path) -> ShardInfo:
    return write_shard_files(tmp_path, "train/00003", FEW, KINDS)


def test_each_format_and_the_sidecar_are_one_file_named_for_its_content(tmp_path: Path, info: ShardInfo) -> None:
    files = {".arrow": info.files["arrow"], ".tar": info.files["webdataset"], ".index.arrow": info.index}
    for suffix, file in files.items():
        content = (tmp_path / file.path).read_bytes()
        assert file.xxh3_128 == xxhash.xxh3_128_hexdigest(content)
        assert file.sha256 == hashlib.sha256(content).hexdigest()
        assert file.bytes == len(content)
        assert file.path == f"train/00003-{file.xxh3_128[:16]}{suffix}"
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {file.path for file in files.values()}
    assert (info.rows, info.tokens) == (3, 303)


def test_the_same_rows_give_the_same_files(tmp_path: Path, info: ShardInfo) -> None:
    assert write_shard_files(tmp_path / "again", "train/00003", FEW, tuple(reversed(KINDS))) == info


@pytest.mark.parametrize("kind", KINDS)
def test_a_format_alone_is_the_same_file_as_beside_others(tmp_path: Path, info: ShardInfo, kind: Kind) -> None:
    alone = write_shard_files(tmp_path / "alone", "train/00003", FEW, (kind,))
    assert alone.files == {kind: info.files[kind]}
    assert (alone.rows, alone.tokens) == (info.rows, info.tokens)


@pytest.mark.parametrize("kind", KINDS)
def test_all_formats_give_the_same_rows(tmp_path: Path, info: ShardInfo, kind: Kind) -> None:
    shard = open_shard(in_folder(tmp_path), info, kind)
    assert shard.num_rows == 3
    assert shard.rows.equals(FEW)
    assert shard.take(np.array([2, 2, 0]), ["tokens", "id"]).equals(FEW.take([2, 2, 0]).select(["tokens", "id"]))


def test_the_sidecar_tells_lengths(tmp_path: Path, info: ShardInfo) -> None:
    assert open_index(in_folder(tmp_path), info).tokens.tolist() == [3, 0, 300]


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_file_is_named_with_its_size(tmp_path: Path, info: ShardInfo, kind: Kind) -> None:
    file = info.files[kind]
    cut(tmp_path / file.path)
    said = f"{file.path}: has {file.bytes - 8} bytes, its manifest says {file.bytes}: fetch it again"
    with pytest.raises(CorruptShardError, match=said):
        open_shard(in_folder(tmp_path), info, kind)


def test_a_cut_sidecar_is_named_and_is_of_no_matter_to_arrow(tmp_path: Path, info: ShardInfo) -> None:
    cut(tmp_path / info.index.path)
    with pytest.raises(CorruptShardError, match=f"{info.index.path}: has {info.index.bytes - 8} bytes, its manifest"):
        open_shard(in_folder(tmp_path), info, "webdataset")
    assert open_shard(in_folder(tmp_path), info, "arrow").num_rows == 3


def test_a_shard_of_other_rows_than_the_manifest_says_is_refused(tmp_path: Path, info: ShardInfo) -> None:
    more = replace(info, rows=4)
    with pytest.raises(CorruptShardError, match=r"shard .*\.arrow: has 3 rows, its manifest says 4"):
        open_shard(in_folder(tmp_path), more, "arrow")
    with pytest.raises(CorruptShardError, match=r"sidecar .*\.index\.arrow: has 3 rows, its manifest says 4"):
        open_shard(in_folder(tmp_path), more, "webdataset")


def test_another_arrow_file_in_the_place_of_a_shard_is_refused_with_its_columns(
    tmp_path: Path, info: ShardInfo
) -> None:
    index = info.index
    with pytest.raises(CorruptShardError) as caught:
        open_shard(in_folder(tmp_path), replace(info, files={"arrow": index}), "arrow")
    assert str(caught.value) == (
        f"shard {tmp_path / index.path}: has the columns tokens (uint32), offset (uint64), bytes (uint32): must have "
        "id (string), text (string), labels (list<item: uint32>), tokens (list<item: uint16>), "
        "tokens perhaps of 32 bits"
    )


def test_a_sidecar_without_a_tar_cannot_open_one(tmp_path: Path, info: ShardInfo) -> None:
    other = write_shard_files(tmp_path / "other", "train/00003", FEW, ("arrow",))
    (tmp_path / other.index.path).write_bytes((tmp_path / "other" / other.index.path).read_bytes())
    with pytest.raises(CorruptShardError, match=r"\.tar: its sidecar tells of no member of a tar: fetch both again"):
        open_shard(in_folder(tmp_path), replace(info, index=other.index), "webdataset")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])
