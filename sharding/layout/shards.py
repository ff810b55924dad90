"""Write and open the files of a shard: one for each format, and a sidecar index with the length of each record.

A file's name follows from its content, so that a name never means two contents to a cache.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import xxhash

from ..errors import CorruptShardError
from ..formats import ArrowShard, Shard, ShardIndex, WebdatasetShard, encode_arrow, encode_tar, index_rows, pack
from ..records import shard_schema
from ..storage import inside, publish
from .manifest import FileInfo, Kind, ShardInfo

# Tells where a file of a data set is.
Find = Callable[[FileInfo], Path]

_SUFFIXES: dict[Kind, str] = {"arrow": ".arrow", "webdataset": ".tar"}
_SCHEMAS = (shard_schema(1 << 16), shard_schema(1 << 32))


def write_shard_files(folder: Path, stem: str, rows: pa.RecordBatch, kinds: Sequence[Kind]) -> ShardInfo:
    """Publish at least one row as a shard of a data set.

    The same rows give the same bytes and names. Takes twice the memory of the largest file.

    Args:
        folder: Folder of the data set.
        stem: What the names of its files begin with, such as "train/00003".
        rows: Columns as in `shard_schema`.
        kinds: The formats, at least one.

    Returns:
        What the manifest says of the shard.
    """
    assert kinds
    files: dict[Kind, FileInfo] = {}
    members = None
    if "arrow" in kinds:
        files["arrow"] = _publish(folder, stem, _SUFFIXES["arrow"], encode_arrow(rows))
    if "webdataset" in kinds:
        tar, members = encode_tar(pack(rows))
        files["webdataset"] = _publish(folder, stem, _SUFFIXES["webdataset"], tar)
    lengths = rows["tokens"].value_lengths().to_numpy()
    index = _publish(folder, stem, ".index.arrow", encode_arrow(index_rows(lengths, members)))
    return ShardInfo(rows.num_rows, int(lengths.sum()), files, index)


def in_folder(folder: Path) -> Find:
    """Find files in a data set's own folder."""
    return lambda info: inside(folder, info.path)


def open_shard(find: Find, info: ShardInfo, kind: Kind) -> Shard:
    """Map a shard in one of its formats; CorruptShardError when it is not what the manifest says, or no shard."""
    path = _sized(find, info.files[kind])
    shard = _arrow(path) if kind == "arrow" else WebdatasetShard.open(path, open_index(find, info))
    if shard.num_rows != info.rows:
        raise CorruptShardError(f"shard {path}: has {shard.num_rows} rows, its manifest says {info.rows}")
    return shard


def open_index(find: Find, info: ShardInfo) -> ShardIndex:
    """Map a shard's sidecar; CorruptShardError when it is not as large as the manifest says."""
    path = _sized(find, info.index)
    index = ShardIndex.open(path)
    if len(index.tokens) != info.rows:
        raise CorruptShardError(f"sidecar {path}: has {len(index.tokens)} rows, its manifest says {info.rows}")
    return index


def _arrow(path: Path) -> ArrowShard:
    shard = ArrowShard.open(path)
    if shard.rows.schema not in _SCHEMAS:
        found = ", ".join(f"{field.name} ({field.type})" for field in shard.rows.schema)
        wanted = ", ".join(f"{field.name} ({field.type})" for field in _SCHEMAS[0])
        raise CorruptShardError(f"shard {path}: has the columns {found}: must have {wanted}, tokens perhaps of 32 bits")
    return shard


def _publish(folder: Path, stem: str, suffix: str, content: pa.Buffer | memoryview) -> FileInfo:
    checksum = xxhash.xxh3_128_hexdigest(content)
    name = f"{stem}-{checksum[:16]}{suffix}"
    with publish(folder / name) as temporary:
        temporary.write_bytes(content)
    return FileInfo(name, len(memoryview(content)), checksum, hashlib.sha256(content).hexdigest())


def _sized(find: Find, info: FileInfo) -> Path:
    path = find(info)
    if (size := path.stat().st_size) != info.bytes:
        raise CorruptShardError(f"shard {path}: has {size} bytes, its manifest says {info.bytes}: fetch it again")
    return path
