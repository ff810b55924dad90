"""Read a published data set: its splits, with random access to records in memory-mapped shards."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import DataError
from ..formats.lists import gather
from ..formats.shard import check_ids
from ..labels import ChunkPlan, label_features
from ..labels.vocabulary import Vocabulary
from ..layout.backends import CacheSettings, LocalBackend, StorageBackend
from ..layout.manifest import TOKENIZER_FOLDER, Kind, Manifest
from ..storage import inside
from ..tokenizing import TextTokenizer
from .shard_pool import ShardPool


class Split:
    """The records of one split, numbered through its shards in manifest order.

    Args:
        name: Name of the split.
        shards: Its shards, which are opened when they are read.
        ends: Bounds by column: all ids of it are below.
    """

    def __init__(self, name: str, shards: ShardPool, ends: Mapping[str, int]) -> None:
        self.name = name
        self.shard_rows = tuple(shard.rows for shard in shards.shards)
        self.num_records = sum(self.shard_rows)
        self._shards = shards
        self._ends = ends

    def take(self, positions: NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """Copy out at least one record by row number, in the order asked for, as single-chunk columns.

        A reader of remote shards calls `advance` as it proceeds: until then its shards are kept.

        Args:
            positions: Row numbers, int64 [N].
            columns: Columns of the shards, see `shard_schema`.

        Returns:
            A table of N rows.

        Raises:
            CorruptShardError: A label or token id is out of range: one that passed would be ignored by the scan, or end
                training without a word about the shard.
        """
        rows = gather(lambda i, rows: self._shards.shard(i).take(rows, columns), self.shard_rows, positions)
        for column in self._ends.keys() & set(columns):
            if len(ids := _ids(rows, column)) and ids.max() >= self._ends[column]:
                gather(partial(self._checked, column), self.shard_rows, positions)
        return pa.Table.from_batches([rows])

    def lengths(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the tokens of at least one record by row number, int64 [rows], without touching the records."""
        return gather(self._lengths, self.shard_rows, rows)["tokens"].to_numpy().astype(np.int64)

    def shards(self, columns: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Yield the name and the rows of one shard after the other, each mapped for as long as its rows are held."""
        for number in range(len(self.shard_rows)):
            yield self._shards.name(number), self._shards.shard(number).rows.select(columns)
            self._shards.let_go(number)

    @property
    def fetches(self) -> bool:
        """Whether shards are remote, so that `expect` and `advance` have an effect."""
        return self._shards.place.fetches

    def advance(self, position: int, keep: int) -> None:
        """Set the position of a reader in its order; release remote shards not read in the last `keep` positions."""
        self._shards.advance(position, keep)

    def expect(self, rows: NDArray[np.int64]) -> None:
        """Prefetch the shards of rows that will be read soon."""
        self._shards.expect(np.unique(np.searchsorted(self._ends_of_shards, rows, side="right")).tolist())

    @cached_property
    def _ends_of_shards(self) -> NDArray[np.int64]:
        return np.cumsum(self.shard_rows)

    def _checked(self, column: str, number: int, rows: NDArray[np.int64]) -> pa.RecordBatch:
        """Take rows of one shard; CorruptShardError names it when an id is too large."""
        taken = self._shards.shard(number).take(rows, [column])
        check_ids(self._shards.name(number), column, _ids(taken, column), self._ends[column])
        return taken

    def _lengths(self, number: int, rows: NDArray[np.int64]) -> pa.RecordBatch:
        return pa.record_batch({"tokens": self._shards.index(number).tokens[rows]})


@dataclass(frozen=True)
class Dataset:
    """A published data set, read in one of its formats; what is read is the same in all.

    Attributes:
        path: The folder of its manifest, labels and tokenizer.
        manifest: Names its splits, shards and other files.
        kind: The format that is read.
        place: Where its shards are.
    """

    path: Path
    manifest: Manifest
    kind: Kind
    place: StorageBackend

    @classmethod
    def open(cls, location: Path | str, kind: Kind | None = None, cache: CacheSettings | None = None) -> "Dataset":
        """Open a data set: read its manifest, and mirror the small files of a remote one.

        Args:
            location: A folder, or an address such as s3://bucket/prefix.
            kind: The format to read; None: Arrow where the data set has it, else WebDataset.
            cache: Where files of an address are kept.

        Raises:
            ManifestError: The manifest, or a file that it names, is missing or damaged.
            DataError: There is no such format, no store or no cache for it.
        """
        remote = "://" in str(location)
        path, place = _fetched(str(location), cache) if remote else (Path(location), LocalBackend(Path(location)))
        manifest = Manifest.load(path)
        chosen = kind or manifest.kinds[0]
        if chosen not in manifest.kinds:
            raise DataError(f"format {kind!r}: {location} has only {', '.join(manifest.kinds)}")
        if not remote:
            manifest.check_files(path, chosen)
        return cls(path, manifest, chosen, place)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The labels, read at the first use."""
        return Vocabulary.load(inside(self.path, self.manifest.labels.path))

    @property
    def label_filter(self) -> Path | None:
        """The file of pairs of record and label that are not judged, see `LabelFilter`, if the source named some."""
        info = self.manifest.label_filter
        return inside(self.path, info.path) if info else None

    def close(self) -> None:
        """Cancel the prefetching of shards, which a process would otherwise finish before it ends.

        Remote shards cannot be read afterwards; those of a folder can.
        """
        self.place.close()

    def split(self, name: str) -> Split:
        """Return the records of a split; DataError names the splits that there are."""
        if name not in self.manifest.splits:
            raise DataError(f"split {name!r}: {self.path} has only {', '.join(sorted(self.manifest.splits))}")
        ends = {"labels": self.manifest.labels.count, "tokens": self.manifest.tokenizer.vocabulary_size}
        return Split(name, ShardPool(self.manifest.splits[name], self.kind, self.place), ends)


def _ids(rows: pa.RecordBatch, column: str) -> NDArray[np.unsignedinteger]:
    return rows[column].flatten().to_numpy()


def _fetched(url: str, cache: CacheSettings | None) -> tuple[Path, StorageBackend]:
    if cache is None:
        raise DataError(f"{url}: is not on this machine: name a folder on a local disk for its shards, data.cache")
    from ..remote import mirrored  # noqa: PLC0415  # a client for S3 is nothing that local data sets should wait for

    return mirrored(url, cache)


def plan_chunks(dataset: Dataset, split: str, size: int) -> ChunkPlan:
    """Let labels that occur together in a split share a chunk: a pure function of the data set, the split and the size.

    A label without a text has its name for one.

    Args:
        dataset: The data set whose labels are planned.
        split: The split whose records are read.
        size: Labels of a chunk.

    Raises:
        CorruptShardError: A shard has a label or token out of range.
    """
    names, texts = dataset.vocabulary.names.to_pylist(), dataset.vocabulary.texts.to_pylist()
    tokenizer = TextTokenizer.from_folder(dataset.path / TOKENIZER_FOLDER)
    own_tokens = tokenizer.encode_batch(
        [text or name for name, text in zip(names, texts, strict=True)], dataset.manifest.max_tokens
    )
    shards = partial(dataset.split(split).shards, ("tokens", "labels"))
    return ChunkPlan.by_likeness(label_features(shards, own_tokens, tokenizer.spec.vocabulary_size), size)
