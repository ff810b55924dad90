"""Shards on disk."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sharding import CorruptShardError
from sharding.formats import ArrowShard, encode_arrow, write_shard
from tests.sharding.formats.rows import with_buffer

ROWS = pa.record_batch({"id": ["a", "b", "c"], "labels": pa.array([[1], [], [2, 3]], pa.list_(pa.uint32()))})


def test_rows_come_back_in_the_order_asked_for(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard", ROWS)
    taken = ArrowShard.open(tmp_path / "shard").take(np.array([2, 0, 2]), ["labels"])
    assert taken.to_pydict() == {"labels": [[2, 3], [1], [2, 3]]}


def test_the_bytes_depend_on_the_rows_alone(tmp_path: Path) -> None:
    write_shard(tmp_path / "whole", ROWS)
    write_shard(tmp_path / "cut", pa.concat_batches([ROWS, ROWS]).slice(3))
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "cut").read_bytes()


def test_a_truncated_or_foreign_file_is_a_corrupt_shard(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    write_shard(path, ROWS)
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], content[:-1], b"", b"something else"):
        path.write_bytes(damaged)
        with pytest.raises(CorruptShardError, match=r"shard .*shard: cannot be read as an Arrow file"):
            ArrowShard.open(path)


@pytest.mark.parametrize("values", [["a"], [True], [[1]]])
def test_a_foreign_file_may_hold_lists_of_anything(tmp_path: Path, values: list[object]) -> None:
    rows = pa.record_batch({"labels": pa.array([values, [], values])})
    write_shard(tmp_path / "shard", rows)
    assert ArrowShard.open(tmp_path / "shard").rows.equals(rows)


def test_a_file_of_several_batches_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, ROWS.schema) as writer:
        writer.write_batch(ROWS)
        writer.write_batch(ROWS)
    with pytest.raises(CorruptShardError, match="holds 2 record batches: must hold one"):
        ArrowShard.open(path)


def test_the_bytes_are_the_same_in_memory_and_in_a_file(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard", ROWS)
    assert encode_arrow(ROWS) == (tmp_path / "shard").read_bytes()


def test_an_open_shard_is_no_open_file(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard", ROWS)
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    shards = [ArrowShard.open(tmp_path / "shard") for _ in range(10)]
    assert len(list(Path("/proc/self/fd").iterdir())) == open_files
    assert [shard.num_rows for shard in shards] == [3] * 10


@pytest.mark.parametrize("column", ["id", "labels"])
@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("offset", [100_000_000, -5])
def test_a_list_or_text_that_is_not_inside_its_column_is_never_read(
    tmp_path: Path, column: str, number: int, offset: int
) -> None:
    path = tmp_path / "shard"
    path.write_bytes(with_buffer(ROWS, column, 1, 4 * number, offset.to_bytes(4, "little", signed=True)))
    with pytest.raises(CorruptShardError, match=r"shard .*shard: cannot be read as an Arrow file: .*[Oo]ffset"):
        ArrowShard.open(path)


def test_offsets_that_fall_inside_their_column_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    path.write_bytes(with_buffer(ROWS, "labels", 1, 4, (2).to_bytes(4, "little")))
    with pytest.raises(CorruptShardError, match="non-monotonic offset"):
        ArrowShard.open(path)
