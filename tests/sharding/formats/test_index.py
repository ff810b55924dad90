"""Sidecars."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sharding import CorruptShardError
from sharding.formats import ShardIndex, encode_tar, index_rows, write_shard


def test_it_tells_lengths_and_of_a_tar_where_members_are(tmp_path: Path) -> None:
    _, members = encode_tar([b"x", b"y" * 513, b"z"])
    write_shard(tmp_path / "index", index_rows(np.array([3, 0, 7]), members))
    index = ShardIndex.open(tmp_path / "index")
    assert index.tokens.tolist() == [3, 0, 7]
    assert index.members is not None
    assert index.members.offset.tolist() == [512, 1536, 3072]
    assert index.members.bytes.tolist() == [1, 513, 1]


def test_without_a_tar_it_tells_lengths_alone(tmp_path: Path) -> None:
    write_shard(tmp_path / "index", index_rows(np.array([3, 0, 7]), None))
    index = ShardIndex.open(tmp_path / "index")
    assert (index.tokens.tolist(), index.members) == ([3, 0, 7], None)


@pytest.mark.parametrize(
    "columns",
    [
        {"tokens": pa.array([1], pa.int64())},
        {"tokens": pa.array([1], pa.uint32()), "offset": pa.array([512], pa.uint64())},
        {"tokens": pa.array([None], pa.uint32())},
    ],
)
def test_another_arrow_file_is_refused_with_its_columns(tmp_path: Path, columns: dict[str, pa.Array]) -> None:
    write_shard(tmp_path / "index", pa.record_batch(columns))
    with pytest.raises(
        CorruptShardError, match=r"sidecar .*index: has the columns tokens \(.*: must have tokens \(uin"
    ):
        ShardIndex.open(tmp_path / "index")
