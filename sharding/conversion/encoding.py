"""The encoding pass of a conversion: tokenizes records and writes them as runs on disk, each sorted by shuffle key.

The order of records in a data set is the order of the keyed hashes of their places in the source: file and position.
It does not depend on how the source is cut into pieces, on workers, or on memory.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import DataError
from ..labels import LabelLookup
from ..order.counter_based import hash64
from ..records import DEV, SPLITS, shard_schema
from ..sources import Piece
from ..storage import publish
from ..tokenizing import TextTokenizer
from .job import Job
from .reading import Group, Rejected, read_groups

KEY = "key"
_SHUFFLE = 34
# Sorting and writing a run takes about three times its rows; offsets of one are 32 bits wide.
_MEMORY_OF_A_RUN = 4
_LARGEST_RUN = 1 << 29


def encode_piece(job: Job, number: int, piece: Piece) -> dict[str, Any]:
    """Encode a piece: write for each split one file of runs, each a record batch sorted by key; return nothing."""
    tokenizer, lookup = _tokenizer(job.tokenizer_folder), LabelLookup.load(job.lookup)
    with ExitStack() as files:
        runs = _Runs(job, number, _schema(tokenizer), files)
        for group in read_groups(job, piece, Rejected(job, piece)):
            for split, rows in _by_split(_encode(job, piece.file, group, tokenizer, lookup), group):
                runs.add(split, rows)
        runs.flush()
    return {}


def changed(what: str) -> DataError:
    """Say that something is not what it was when labels were counted."""
    return DataError(f"{what}: was changed while it was converted: start again when nobody writes to it")


@lru_cache(maxsize=1)
def _tokenizer(folder: Path) -> TextTokenizer:
    return TextTokenizer.from_folder(folder)


def _schema(tokenizer: TextTokenizer) -> pa.Schema:
    return shard_schema(tokenizer.spec.vocabulary_size).append(pa.field(KEY, pa.uint64()))


def _encode(job: Job, file: int, group: Group, tokenizer: TextTokenizer, lookup: LabelLookup) -> pa.RecordBatch:
    records, ids = group.records, lookup.ids(group.labels)
    if (ids < 0).any():
        raise changed(str(job.source.files[file]))
    ends = np.cumsum([len(record.labels) for record in records])
    columns = {
        "id": [record.id for record in records],
        "text": [record.text for record in records],
        "labels": [np.sort(part) for part in np.split(ids, ends[:-1])],
        "tokens": tokenizer.encode_batch([record.text for record in records], job.max_tokens),
        KEY: hash64(_SHUFFLE, job.seed, file, group.positions),
    }
    return pa.record_batch(columns, _schema(tokenizer))


def _by_split(rows: pa.RecordBatch, group: Group) -> Iterator[tuple[str, pa.RecordBatch]]:
    splits = [DEV if aside else record.split for record, aside in zip(group.records, group.aside, strict=True)]
    for split in SPLITS:
        chosen = rows.filter(pa.array([each == split for each in splits]))
        if chosen.num_rows:
            yield split, chosen


class _Runs:
    """Rows on their way to disk: held until they are worth sorting, published when `files` are closed."""

    def __init__(self, job: Job, piece: int, schema: pa.Schema, files: ExitStack) -> None:
        self._job, self._piece, self._schema, self._files = job, piece, schema, files
        self._held: defaultdict[str, list[pa.RecordBatch]] = defaultdict(list)
        self._bytes = 0
        self._writers: dict[str, pa.ipc.RecordBatchFileWriter] = {}

    def add(self, split: str, rows: pa.RecordBatch) -> None:
        """Take rows over."""
        self._held[split].append(rows)
        self._bytes += rows.nbytes
        if self._bytes > min(self._job.worker_bytes // _MEMORY_OF_A_RUN, _LARGEST_RUN):
            self.flush()

    def flush(self) -> None:
        """Write down what is held."""
        for split, held in self._held.items():
            rows = pa.concat_batches(held)
            order = np.argsort(rows[KEY].to_numpy(), kind="stable")
            self._writer(split).write_batch(rows.take(pa.array(order)))
        self._held.clear()
        self._bytes = 0

    def _writer(self, split: str) -> pa.ipc.RecordBatchFileWriter:
        if split not in self._writers:
            path = self._files.enter_context(publish(self._job.runs(split) / f"{self._piece:06}.arrow"))
            sink = self._files.enter_context(pa.OSFile(os.fspath(path), "wb"))
            self._writers[split] = self._files.enter_context(pa.ipc.new_file(sink, self._schema))
        return self._writers[split]
