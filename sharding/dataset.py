"""Decides how a published data set is read: shards are mapped when first touched and stay mapped."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .errors import CorruptShardError, DataError
from .formats import ArrowShard
from .gathering import gather
from .ids import check_ids
from .labels.vocabulary import Vocabulary
from .manifest import Manifest, ShardInfo
from .storage import inside


class Split:
    """The records of one split, numbered through its shards in manifest order.

    ends: by column, what its ids must be below.
    """

    def __init__(self, name: str, folder: Path, shards: tuple[ShardInfo, ...], ends: Mapping[str, int]) -> None:
        self.name = name
        self.shard_rows = tuple(shard.rows for shard in shards)
        self.num_records = sum(self.shard_rows)
        self._folder = folder
        self._shards = shards
        self._ends = ends
        self._open: dict[int, ArrowShard] = {}

    def take(self, positions: NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """Copy out at least one record by row number, in the order asked for, as single-chunk columns.

        Raises a CorruptShardError for a label or token id that nothing has: one that passed would be ignored by the
        scan, or end training without a word about the shard.
        """
        rows = gather(lambda i, rows: self._take(i, rows, columns), self.shard_rows, positions)
        return pa.Table.from_batches([rows])

    def lengths(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the stored tokens of at least one record by row number, special tokens not counted: same shape."""
        lengths = gather(self._lengths, self.shard_rows, rows)
        return lengths["tokens"].to_numpy().astype(np.int64)

    def shards(self, columns: Sequence[str]) -> Iterator[tuple[Path, pa.RecordBatch]]:
        """Yield the path and the rows of one shard after the other, each mapped for as long as its rows are held."""
        for info in self._shards:
            yield inside(self._folder, info.path), _open_shard(self._folder, info).rows.select(columns)

    def _take(self, number: int, rows: NDArray[np.int64], columns: Sequence[str]) -> pa.RecordBatch:
        taken = self._shard(number).take(rows, columns)
        for column in self._ends.keys() & set(columns):
            path = inside(self._folder, self._shards[number].path)
            check_ids(path, column, taken[column].flatten().to_numpy(), self._ends[column])
        return taken

    def _lengths(self, number: int, rows: NDArray[np.int64]) -> pa.RecordBatch:
        offsets = self._shard(number).rows["tokens"].offsets.to_numpy()
        return pa.record_batch({"tokens": offsets[rows + 1] - offsets[rows]})

    def _shard(self, number: int) -> ArrowShard:
        if number not in self._open:
            self._open[number] = _open_shard(self._folder, self._shards[number])
        return self._open[number]


@dataclass(frozen=True)
class Dataset:
    """A converted data set on a local disk."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path) -> "Dataset":
        """Read the manifest; ManifestError when it, or a file that it names, is missing or damaged."""
        manifest = Manifest.load(path)
        manifest.check_files(path)
        return cls(path, manifest)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The labels, read at the first use."""
        return Vocabulary.load(inside(self.path, self.manifest.labels.path))

    def split(self, name: str) -> Split:
        """Give the records of a split; DataError names the splits that there are."""
        if name not in self.manifest.splits:
            raise DataError(f"split {name!r}: {self.path} has only {', '.join(sorted(self.manifest.splits))}")
        ends = {"labels": self.manifest.labels.count, "tokens": self.manifest.tokenizer.vocabulary_size}
        return Split(name, self.path, self.manifest.splits[name], ends)


def _open_shard(folder: Path, info: ShardInfo) -> ArrowShard:
    """Map a shard that is as large as the manifest says; CorruptShardError otherwise."""
    path = inside(folder, info.path)
    if (size := path.stat().st_size) != info.bytes:
        raise CorruptShardError(f"shard {path}: has {size} bytes, its manifest says {info.bytes}: fetch it again")
    shard = ArrowShard.open(path)
    if shard.rows.num_rows != info.rows:
        raise CorruptShardError(f"shard {path}: has {shard.rows.num_rows} rows, its manifest says {info.rows}")
    return shard
