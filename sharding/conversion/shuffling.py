"""The external shuffle: it merges the sorted runs of all pieces into shards, each an equal range of shuffle keys."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import DataError
from ..layout.shards import write_shard_files
from .encoding import KEY
from .job import Job

_BITS = 64
END = (1 << _BITS) - 1


def cut_points(keys: Sequence[NDArray[np.uint64]], ranks: NDArray[np.int64]) -> NDArray[np.uint64]:
    """For each of `ranks`, find the least key that at least so many keys are below.

    Args:
        keys: Any number of sorted arrays, which are searched by bisection and never merged.
        ranks: int64 [N].

    Returns:
        uint64 [N].
    """
    low, high = np.zeros(len(ranks), np.uint64), np.full(len(ranks), END, np.uint64)
    for _ in range(_BITS):
        middle = low + (high - low) // np.uint64(2)
        below = sum((np.searchsorted(part, middle) for part in keys), start=np.zeros(len(ranks), np.int64))
        enough = below >= ranks
        low, high = np.where(enough, low, middle + np.uint64(1)), np.where(enough, middle, high)
    return high


def shard_bounds(job: Job, split: str, records: int, shard_rows: int) -> list[int]:
    """Cut the keys of a split such that every shard but the last has `shard_rows` records; returns all ends."""
    ranks = np.arange(shard_rows, records, shard_rows)
    return [0, *cut_points([rows[KEY].to_numpy() for rows in _runs(job, split)], ranks).tolist(), END]


def write_one(job: Job, split: str, number: int, low: int, high: int) -> dict[str, Any]:
    """Collect the records with keys in [low, high), sort and write them."""
    parts = [part for rows in _runs(job, split) if (part := _between(rows, low, high)).num_rows]
    try:
        rows = pa.concat_batches(parts)
    except pa.ArrowInvalid:
        raise DataError(
            f"shard {split}/{number:05}: its {sum(part.num_rows for part in parts)} records have more than 2 GiB of "
            "text, which is too much for one column: choose fewer records of a shard, --shard-rows"
        ) from None
    order = np.argsort(rows[KEY].to_numpy(), kind="stable")
    shard = rows.drop_columns([KEY]).take(pa.array(order))
    return asdict(write_shard_files(job.shards, f"{split}/{number:05}", shard, job.kinds))


def _runs(job: Job, split: str) -> Iterator[pa.RecordBatch]:
    """Map the runs of all pieces, in their order."""
    for file in sorted(job.runs(split).glob("[!.]*.arrow")):
        opened = pa.ipc.open_file(pa.memory_map(str(file)))
        yield from map(opened.get_batch, range(opened.num_record_batches))


def _between(rows: pa.RecordBatch, low: int, high: int) -> pa.RecordBatch:
    start, stop = np.searchsorted(rows[KEY].to_numpy(), np.array([low, high], np.uint64))
    return rows.slice(start, (rows.num_rows if high == END else stop) - start)
