"""Decides whether a published data set still is what its manifest says."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from .formats import ArrowShard
from .labels import Vocabulary
from .manifest import TOKENIZER_FOLDER, LabelsInfo, Manifest, ShardInfo
from .storage import inside, sha256, xxh3_128
from .tokenizing import TOKENIZER_FILE

_MEASURES = {"bytes": lambda path: path.stat().st_size, "xxh3_128": xxh3_128, "sha256": sha256}


@dataclass(frozen=True)
class Report:
    """How much was looked at, and everything that was wrong, one sentence each."""

    num_shards: int
    num_records: int
    problems: tuple[str, ...]


def verify(folder: Path) -> Report:
    """Compare every file with the manifest, to the last byte and the last id; only a damaged manifest is an error."""
    manifest = Manifest.load(folder)
    shards = [shard for split in manifest.splits.values() for shard in split]
    problems = [
        *_byte_problems(folder, f"{TOKENIZER_FOLDER}/{TOKENIZER_FILE}", sha256=manifest.tokenizer.sha256),
        *_label_problems(folder, manifest.labels),
    ]
    for shard in shards:
        problems += _shard_problems(folder, manifest, shard)
    return Report(len(shards), sum(shard.rows for shard in shards), tuple(problems))


def _label_problems(folder: Path, info: LabelsInfo) -> Iterator[str]:
    damage = list(_byte_problems(folder, info.path, sha256=info.sha256))
    yield from damage
    if not damage:
        yield from _difference(info.path, "labels", len(Vocabulary.load(inside(folder, info.path))), info.count)


def _shard_problems(folder: Path, manifest: Manifest, info: ShardInfo) -> Iterator[str]:
    damage = list(_byte_problems(folder, info.path, bytes=info.bytes, xxh3_128=info.xxh3_128, sha256=info.sha256))
    yield from damage
    # A damaged file is not opened: the offsets in it may point anywhere.
    if not damage:
        rows = ArrowShard.open(inside(folder, info.path)).rows
        yield from _difference(info.path, "rows", rows.num_rows, info.rows)
        yield from _id_problems(info.path, rows, "labels", manifest.labels.count)
        yield from _id_problems(info.path, rows, "tokens", manifest.tokenizer.vocabulary_size)


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
