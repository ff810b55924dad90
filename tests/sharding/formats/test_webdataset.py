"""Records of a tar, read by its sidecar and by the library whose format it is."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharding import CorruptShardError, unpack
from sharding.formats import ShardIndex, WebdatasetShard, encode_tar, pack
from sharding.formats.index import Members
from tests.sharding.formats.rows import FEW, RECORDS, WIDTHS, batch

COLUMNS = FEW.schema.names


def index(rows: Any, members: Members) -> ShardIndex:
    return ShardIndex(rows["tokens"].value_lengths().to_numpy().astype(np.uint32), members)


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    (tmp_path / "few.tar").write_bytes(encode_tar(pack(FEW))[0])
    return tmp_path / "few.tar"


@pytest.fixture
def sidecar() -> ShardIndex:
    return index(FEW, encode_tar(pack(FEW))[1])


@given(RECORDS, st.sampled_from(sorted(WIDTHS)), st.data())
def test_rows_come_back_bit_for_bit_in_the_order_asked_for(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]], bits: int, data: st.DataObject
) -> None:
    path, rows = tmp_path_factory.mktemp("tar") / "shard.tar", batch(records, bits)
    content, members = encode_tar(pack(rows))
    path.write_bytes(content)
    shard = WebdatasetShard.open(path, index(rows, members))
    assert shard.rows.equals(rows)
    assert shard.num_rows == len(records)
    asked = data.draw(st.lists(st.integers(0, len(records) - 1), min_size=1))
    columns = data.draw(st.permutations(COLUMNS))[:2]
    assert shard.take(np.array(asked), columns).equals(rows.take(asked).select(columns))
    shard.rows.validate(full=True)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the library leaves its file to be closed by whoever comes last
def test_the_webdataset_library_reads_the_same_records(tar: Path) -> None:
    import webdataset

    samples = list(webdataset.WebDataset([str(tar)], shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == ["000000000", "000000001", "000000002"]
    unpacked = [unpack(sample["bin"]) for sample in samples]
    assert batch([{key: record[key] for key in COLUMNS} for record in unpacked]).equals(FEW)


@pytest.mark.parametrize("offset", [0, 511, 514, 1 << 20, 2**63 - 512, -512])
def test_a_member_outside_the_file_or_off_its_grid_is_never_read(tar: Path, sidecar: ShardIndex, offset: int) -> None:
    assert sidecar.members is not None
    sidecar.members.offset[1] = offset
    with pytest.raises(CorruptShardError, match=r"few\.tar: has 10240 bytes, and its sidecar tells of members outside"):
        WebdatasetShard.open(tar, sidecar)


@pytest.mark.parametrize("size", [0, 23, 10_240])
def test_a_member_too_small_or_too_large_is_never_read(tar: Path, sidecar: ShardIndex, size: int) -> None:
    assert sidecar.members is not None
    sidecar.members.bytes[2] = size
    with pytest.raises(CorruptShardError, match="its sidecar tells of members outside"):
        WebdatasetShard.open(tar, sidecar)


@pytest.mark.parametrize("sizes", [None, []])
def test_a_sidecar_without_members_is_refused(tar: Path, sizes: list[int] | None) -> None:
    empty = np.array([], dtype=np.uint32)
    members = None if sizes is None else Members(empty.astype(np.int64), empty)
    with pytest.raises(CorruptShardError, match=r"few\.tar: its sidecar tells of no member of a tar"):
        WebdatasetShard.open(tar, ShardIndex(empty, members))


@pytest.mark.parametrize("place", range(24))
def test_a_flipped_byte_of_a_header_is_noticed(tar: Path, sidecar: ShardIndex, place: int) -> None:
    flip(tar, 512 + place)
    with pytest.raises(CorruptShardError, match="the header of a record is not what the sidecar says: see `lmmtc ver"):
        WebdatasetShard.open(tar, sidecar).take(np.array([2, 0]), ["labels"])


def test_a_sidecar_of_other_records_is_noticed(tar: Path, sidecar: ShardIndex) -> None:
    sidecar.tokens[0] += 1
    shard = WebdatasetShard.open(tar, sidecar)
    assert shard.take(np.array([2]), ["id"])["id"].to_pylist() == ["ç"]
    with pytest.raises(CorruptShardError, match="the header of a record is not what the sidecar says"):
        shard.take(np.array([0]), ["id"])


@given(st.dictionaries(st.integers(0, 10_239), st.integers(0, 255), max_size=3), st.integers(-(2**63), 2**63 - 1))
def test_whatever_is_damaged_rows_are_whole_or_refused(
    tmp_path_factory: pytest.TempPathFactory, damage: dict[int, int], offset: int
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "shard.tar"
    content, members = encode_tar(pack(FEW))
    for place, value in damage.items():
        content[place] = value
    path.write_bytes(content)
    members.offset[1] = offset if len(damage) == 3 else members.offset[1]
    with suppress(CorruptShardError):
        WebdatasetShard.open(path, index(FEW, members)).rows.validate(full=True)


def test_letters_that_are_not_utf_8_are_noticed(tar: Path, sidecar: ShardIndex) -> None:
    flip(tar, 512 + 24 + 4 + 6)  # the id "a"
    shard = WebdatasetShard.open(tar, sidecar)
    shard.take(np.array([0]), ["labels", "text"])
    with pytest.raises(CorruptShardError, match=r"few\.tar: cannot be read as records: Invalid UTF8"):
        shard.take(np.array([0]), ["id"])


def test_more_than_one_column_can_hold_is_refused_before_it_is_copied(tmp_path: Path) -> None:
    rows = batch([{"id": "a", "text": "x" * 2**20, "labels": [], "tokens": []}])
    content, members = encode_tar(pack(rows))
    (tmp_path / "long.tar").write_bytes(content)
    shard = WebdatasetShard.open(tmp_path / "long.tar", index(rows, members))
    with pytest.raises(
        CorruptShardError, match="2147483648 bytes or numbers of one column: must be at most 2147483647"
    ):
        shard.take(np.zeros(2048, dtype=np.int64), ["text"])


@pytest.mark.parametrize("content", [b"", b"something else", bytes(1536)])
def test_a_foreign_or_truncated_file_is_refused(tar: Path, sidecar: ShardIndex, content: bytes) -> None:
    tar.write_bytes(content)
    with pytest.raises(CorruptShardError, match=rf"shard .*few\.tar: has {len(content)} bytes, and its sidecar tells"):
        WebdatasetShard.open(tar, sidecar)


def test_a_missing_file_is_named(tar: Path, sidecar: ShardIndex) -> None:
    tar.unlink()
    with pytest.raises(CorruptShardError, match=r"few\.tar: cannot be read: "):
        WebdatasetShard.open(tar, sidecar)


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x80
    path.write_bytes(content)
