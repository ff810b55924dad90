"""Verification of a published data set: every file is read and compared with the manifest."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import CorruptShardError
from ..formats import ShardIndex, member_name, walk_tar
from ..labels import Vocabulary
from ..layout.manifest import TOKENIZER_FOLDER, FileInfo, Kind, LabelsInfo, Manifest, ShardInfo
from ..layout.shards import in_folder, open_index, open_shard
from ..storage import inside, sha256, xxh3_128
from ..tokenizing import TOKENIZER_FILE

_MEASURES = {"bytes": lambda path: path.stat().st_size, "xxh3_128": xxh3_128, "sha256": sha256}


@dataclass(frozen=True)
class VerifyReport:
    """The result of a verification.

    Attributes:
        num_shards: Shards that were read.
        num_records: Records of these.
        problems: Everything that was wrong, one sentence each.
    """

    num_shards: int
    num_records: int
    problems: tuple[str, ...]


def verify(folder: Path) -> VerifyReport:
    """Compare every file with the manifest, to the last byte and the last id; only a damaged manifest is an error.

    Formats of the same shard must hold the same rows, and each tar what its sidecar says.
    """
    manifest = Manifest.load(folder)
    shards = [shard for split in manifest.splits.values() for shard in split]
    problems = [
        *_byte_problems(folder, f"{TOKENIZER_FOLDER}/{TOKENIZER_FILE}", sha256=manifest.tokenizer.sha256),
        *_label_problems(folder, manifest.labels),
        *(_file_problems(folder, manifest.label_filter) if manifest.label_filter else ()),
    ]
    for shard in shards:
        problems += _shard_problems(folder, manifest, shard)
    return VerifyReport(len(shards), sum(shard.rows for shard in shards), tuple(problems))


def _label_problems(folder: Path, info: LabelsInfo) -> Iterator[str]:
    damage = list(_byte_problems(folder, info.path, sha256=info.sha256))
    yield from damage
    if not damage:
        yield from _difference(info.path, "labels", len(Vocabulary.load(inside(folder, info.path))), info.count)


def _shard_problems(folder: Path, manifest: Manifest, info: ShardInfo) -> Iterator[str]:
    opened: dict[Kind, pa.RecordBatch] = {}
    damage = {file.path: list(_file_problems(folder, file)) for file in (*info.files.values(), info.index)}
    for problems in damage.values():
        yield from problems
    for kind, file in info.files.items():
        # A damaged file is not opened: the offsets in it may point anywhere.
        if damage[file.path] or damage[info.index.path]:
            continue
        try:
            index = open_index(in_folder(folder), info)
            if kind == "webdataset":
                yield from _tar_problems(folder, file.path, index)
            opened[kind] = _whole_rows(folder, info, kind)
        except CorruptShardError as error:
            yield str(error)
        else:
            yield from _row_problems(file.path, opened[kind], info, manifest)
            yield from _length_problems(file.path, opened[kind], info.index.path, index)
    if len(opened) == 2:
        yield from _format_problems(info, **opened)


def _whole_rows(folder: Path, info: ShardInfo, kind: Kind) -> pa.RecordBatch:
    rows = open_shard(in_folder(folder), info, kind).rows
    try:
        rows.validate(full=True)
    except pa.ArrowInvalid as error:
        path = inside(folder, info.files[kind].path)
        raise CorruptShardError(f"shard {path}: cannot be read as records: {error}") from error
    return rows


def _row_problems(name: str, rows: pa.RecordBatch, info: ShardInfo, manifest: Manifest) -> Iterator[str]:
    yield from _difference(name, "tokens", len(rows["tokens"].flatten()), info.tokens)
    yield from _id_problems(name, rows, "labels", manifest.labels.count)
    yield from _id_problems(name, rows, "tokens", manifest.tokenizer.vocabulary_size)


def _length_problems(name: str, rows: pa.RecordBatch, index_name: str, index: ShardIndex) -> Iterator[str]:
    lengths = rows["tokens"].value_lengths().to_numpy()
    if not np.array_equal(lengths, index.tokens):
        yield f"{index_name}: its numbers of tokens are not those of the records in {name}"


def _tar_problems(folder: Path, name: str, index: ShardIndex) -> Iterator[str]:
    """Walk a tar, and stop at the first member that is not the one of which the sidecar tells."""
    said = (
        [] if index.members is None else zip(index.members.offset.tolist(), index.members.bytes.tolist(), strict=True)
    )
    expected = ((member_name(row), offset, size, True) for row, (offset, size) in enumerate(said))
    walked = ((info.name, info.offset_data, info.size, info.isreg()) for info in walk_tar(inside(folder, name)))
    for number, (found, wanted) in enumerate(zip_longest(walked, expected)):
        if found != wanted:
            yield f"{name}: member {number} is {_member(found)}: its sidecar says {_member(wanted)}"
            return


def _member(facts: tuple[str, int, int, bool] | None) -> str:
    if facts is None:
        return "none"
    name, offset, size, regular = facts
    return f"{name!r} ({'a file' if regular else 'not a file'}, {size} bytes at {offset})"


def _format_problems(info: ShardInfo, arrow: pa.RecordBatch, webdataset: pa.RecordBatch) -> Iterator[str]:
    if not arrow.equals(webdataset):
        yield f"{info.files['webdataset'].path}: does not hold the records of {info.files['arrow'].path}"


def _file_problems(folder: Path, file: FileInfo) -> Iterator[str]:
    return _byte_problems(folder, file.path, bytes=file.bytes, xxh3_128=file.xxh3_128, sha256=file.sha256)


def _byte_problems(folder: Path, name: str, **expected: Any) -> Iterator[str]:
    path = inside(folder, name)
    if not path.is_file():
        yield f"{name}: is missing"
        return
    for fact, value in expected.items():
        yield from _difference(name, fact, _MEASURES[fact](path), value)


def _difference(name: str, fact: str, found: Any, expected: Any) -> Iterator[str]:
    if found != expected:
        yield f"{name}: {fact} = {found}: the manifest says {expected}"


def _id_problems(name: str, rows: pa.RecordBatch, column: str, end: int) -> Iterator[str]:
    ids = rows[column].flatten().to_numpy()
    if outside := ids[ids >= end].tolist():
        yield f"{name}: {len(outside)} of its {column} are too large, first {outside[0]}: must be below {end}"
