"""Decides how a published data set is read: shards are mapped when first touched and stay mapped."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .errors import DataError
from .formats import Index, Shard
from .gathering import gather
from .ids import check_ids
from .labels.vocabulary import Vocabulary
from .manifest import Kind, Manifest, ShardInfo
from .shards import open_index, open_shard
from .storage import inside


class Split:
    """The records of one split, numbered through its shards in manifest order.

    kind: the format to read; ends: by column, what its ids must be below.
    """

    def __init__(
        self, name: str, folder: Path, shards: tuple[ShardInfo, ...], kind: Kind, ends: Mapping[str, int]
    ) -> None:
        self.name = name
        self.shard_rows = tuple(shard.rows for shard in shards)
        self.num_records = sum(self.shard_rows)
        self._folder = folder
        self._shards = shards
        self._kind: Kind = kind
        self._ends = ends
        self._open: dict[int, Shard] = {}
        self._indexes: dict[int, Index] = {}

    def take(self, positions: NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """Copy out at least one record by row number, in the order asked for, as single-chunk columns.

        Raises a CorruptShardError for a label or token id that nothing has: one that passed would be ignored by the
        scan, or end training without a word about the shard.
        """
        rows = gather(lambda i, rows: self._shard(i).take(rows, columns), self.shard_rows, positions)
        for column in self._ends.keys() & set(columns):
            if len(ids := _ids(rows, column)) and ids.max() >= self._ends[column]:
                gather(partial(self._checked, column), self.shard_rows, positions)
        return pa.Table.from_batches([rows])

    def lengths(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the tokens of at least one record by row number, int64 [rows], without touching the records."""
        return gather(self._lengths, self.shard_rows, rows)["tokens"].to_numpy().astype(np.int64)

    def shards(self, columns: Sequence[str]) -> Iterator[tuple[Path, pa.RecordBatch]]:
        """Yield the path and the rows of one shard after the other, each mapped for as long as its rows are held."""
        for info in self._shards:
            yield self._path(info), open_shard(self._folder, info, self._kind).rows.select(columns)

    def _checked(self, column: str, number: int, rows: NDArray[np.int64]) -> pa.RecordBatch:
        """Take rows of one shard; CorruptShardError names it when an id is too large."""
        taken = self._shard(number).take(rows, [column])
        check_ids(self._path(self._shards[number]), column, _ids(taken, column), self._ends[column])
        return taken

    def _lengths(self, number: int, rows: NDArray[np.int64]) -> pa.RecordBatch:
        if number not in self._indexes:
            self._indexes[number] = open_index(self._folder, self._shards[number])
        return pa.record_batch({"tokens": self._indexes[number].tokens[rows]})

    def _shard(self, number: int) -> Shard:
        if number not in self._open:
            self._open[number] = open_shard(self._folder, self._shards[number], self._kind)
        return self._open[number]

    def _path(self, info: ShardInfo) -> Path:
        return inside(self._folder, info.files[self._kind].path)


def _ids(rows: pa.RecordBatch, column: str) -> NDArray[np.unsignedinteger]:
    return rows[column].flatten().to_numpy()


@dataclass(frozen=True)
class Dataset:
    """A converted data set on a local disk, read in one of its formats; what is read is the same in all."""

    path: Path
    manifest: Manifest
    kind: Kind

    @classmethod
    def open(cls, path: Path, kind: Kind | None = None) -> "Dataset":
        """Read the manifest. kind: the format to read; None: Arrow where the data set has it, else WebDataset.

        ManifestError when the manifest, or a file that it names, is missing or damaged; DataError when there is no
        such format.
        """
        manifest = Manifest.load(path)
        chosen = kind or manifest.kinds[0]
        if chosen not in manifest.kinds:
            raise DataError(f"format {kind!r}: {path} has only {', '.join(manifest.kinds)}")
        manifest.check_files(path, chosen)
        return cls(path, manifest, chosen)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The labels, read at the first use."""
        return Vocabulary.load(inside(self.path, self.manifest.labels.path))

    @property
    def label_filter(self) -> Path | None:
        """The file of pairs of record and label that are not judged, see `LabelFilter`, if the source named some."""
        info = self.manifest.label_filter
        return inside(self.path, info.path) if info else None

    def split(self, name: str) -> Split:
        """Give the records of a split; DataError names the splits that there are."""
        if name not in self.manifest.splits:
            raise DataError(f"split {name!r}: {self.path} has only {', '.join(sorted(self.manifest.splits))}")
        ends = {"labels": self.manifest.labels.count, "tokens": self.manifest.tokenizer.vocabulary_size}
        return Split(name, self.path, self.manifest.splits[name], self.kind, ends)
