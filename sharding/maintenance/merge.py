"""Merging of data sets: appends the shards of others to a published one, and replaces its manifest.

No shard is rewritten and no file goes away, so who reads by the old manifest is not disturbed. The grown data set has
another dataset_id: a run that was stopped before does not take it for the old one.
"""

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from ..dataset.dataset import Dataset
from ..errors import CorruptShardError, DataError
from ..labels import Vocabulary
from ..layout.manifest import FILTER_FILE, FileInfo, LabelsInfo, Manifest
from ..records import SPLITS, TRAIN
from ..storage import inside, publish, sha256, xxh3_128
from .verify import verify


def merge(folder: Path, others: Sequence[Path]) -> Manifest:
    """Append the shards of other data sets to a published one.

    Files are linked where the file system can, else copied.

    Args:
        folder: The data set that grows.
        others: Data sets that were converted with its labels and its tokenizer.

    Returns:
        The new manifest.

    Raises:
        DataError: The data sets do not go together; nothing is written.
        CorruptShardError: One of `others` is damaged.
    """
    base, more = Dataset.open(folder), [Dataset.open(other) for other in others]
    for number, other in enumerate(more):
        _check(base, other)
        _check_new([base, *more[:number]], other)
    for other in more:
        for info in other.manifest.shard_files():
            _place(inside(other.path, info.path), inside(folder, info.path))
    parts = (base, *more)
    manifest = replace(
        base.manifest,
        splits={
            split: tuple(shard for part in parts for shard in part.manifest.splits.get(split, ()))
            for split in SPLITS
            if any(split in part.manifest.splits for part in parts)
        },
        labels=_save_labels(base, more),
        skipped_records=sum(part.manifest.skipped_records for part in parts),
        label_filter=_join_filters(folder, [part.label_filter for part in parts if part.label_filter]),
    ).identified()
    manifest.save(folder)
    return manifest


def _check(base: Dataset, other: Dataset) -> None:
    for what, ours, theirs in (
        ("tokenizer", base.manifest.tokenizer, other.manifest.tokenizer),
        ("max_tokens", base.manifest.max_tokens, other.manifest.max_tokens),
        ("formats", base.manifest.kinds, other.manifest.kinds),
        ("labels", base.vocabulary.names, other.vocabulary.names),
    ):
        if ours != theirs:
            raise DataError(
                f"{other.path}: has other {what} than {base.path}: convert it with the same options and "
                f"--vocabulary {base.path / base.manifest.labels.path}"
            )
    if problems := verify(other.path).problems:
        raise CorruptShardError("\n".join([f"{other.path}: {len(problems)} problems, nothing was merged", *problems]))


def _check_new(parts: Sequence[Dataset], other: Dataset) -> None:
    # Sidecars tell nothing: records of equal lengths have equal ones.
    known = {name: part.path for part in parts for name in _shard_names(part.manifest)}
    if again := next((name for name in _shard_names(other.manifest) if name in known), None):
        raise DataError(f"{other.path}: its shard {again} is in {known[again]} already: records would come twice")


def _shard_names(manifest: Manifest) -> list[str]:
    return [info.path for shards in manifest.splits.values() for shard in shards for info in shard.files.values()]


def _place(source: Path, target: Path) -> None:
    with publish(target) as temporary:
        try:
            # The file itself: a link to it may lead nowhere from here.
            os.link(source.resolve(), temporary)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, temporary)


def _save_labels(base: Dataset, more: Sequence[Dataset]) -> LabelsInfo:
    counts_L = _own_counts_L(base, more) + sum(_counts_L(other) for other in more)
    path = base.path / "labels.arrow.new"
    Vocabulary(base.vocabulary.names, base.vocabulary.texts, counts_L).save(path)
    # The old manifest still means the old file.
    name = f"labels-{xxh3_128(path)[:16]}.arrow"
    path.replace(base.path / name)
    return LabelsInfo(name, len(counts_L), sha256(base.path / name))


def _join_filters(folder: Path, files: Sequence[Path]) -> FileInfo | None:
    """Put files end to end, which gzip takes for one."""
    if not files:
        return None
    content = b"".join(file.read_bytes() for file in files)
    checksum = xxhash.xxh3_128_hexdigest(content)
    name = f"{checksum[:16]}-{FILTER_FILE}"
    with publish(folder / name) as temporary:
        temporary.write_bytes(content)
    return FileInfo(name, len(content), checksum, hashlib.sha256(content).hexdigest())


def _own_counts_L(base: Dataset, more: Sequence[Dataset]) -> NDArray[np.int64]:
    """Take what was counted; counts of another data set last as long as there is no training record here."""
    counts_L = base.vocabulary.counts
    if TRAIN in base.manifest.splits or not any(TRAIN in other.manifest.splits for other in more):
        return counts_L
    return np.zeros_like(counts_L)


def _counts_L(other: Dataset) -> NDArray[np.int64]:
    """Count anew: the labels of a data set without training records carry the counts of another one."""
    counts_L = np.zeros(len(other.vocabulary), np.int64)
    if TRAIN in other.manifest.splits:
        for _, rows in other.split(TRAIN).shards(("labels",)):
            counts_L += np.bincount(rows["labels"].flatten().to_numpy(), minlength=len(counts_L))
    return counts_L
