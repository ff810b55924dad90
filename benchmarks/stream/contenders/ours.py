"""Our stream over Arrow shards, and how a data set is made of records that are numbers already."""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from sharding import Dataset, Kind, Manifest, TokenizerSpec, TrainStream, Vocabulary, sha256, write_shard_files
from sharding.layout.manifest import LABELS_FILE, LabelsInfo
from sharding.records import shard_schema
from sharding.stream.records import StreamState

from ..records import LABELS, VOCABULARY, Ragged, Records
from .turns import BATCH, Batch, Passes, run

SHARD_ROWS = 16_384  # as `convert` cuts them


def prepare(records: Records, folder: Path, kind: Kind = "arrow") -> None:
    """Write a data set of one split; its records have no text."""
    rows = _rows(records)
    labels = Vocabulary.build({f"label {number}": 1 for number in range(LABELS)}, {})
    labels.save(folder / LABELS_FILE)
    shards = (rows.slice(start, SHARD_ROWS) for start in range(0, len(rows), SHARD_ROWS))
    Manifest(
        splits={
            "train": tuple(write_shard_files(folder, f"train/{i:05}", part, [kind]) for i, part in enumerate(shards))
        },
        tokenizer=TokenizerSpec("none", VOCABULARY, (), (), mask_id=0, pad_id=0, special_ids=()),
        labels=LabelsInfo(LABELS_FILE, LABELS, sha256(folder / LABELS_FILE)),
        max_tokens=int(np.diff(records.tokens.offsets).max()),
        skipped_records=0,
    ).identified().save(folder)


def read(folder: Path) -> Passes:
    """Pass n is epoch n of a stream of one rank."""
    return partial(_epoch, TrainStream(Dataset.open(folder), "train", seed=0, global_batch=BATCH))


def _epoch(stream: TrainStream, number: int) -> Iterator[Batch]:
    state = StreamState(number)
    for batch, _ in islice(stream.batches(state), stream.partition.steps_left(state)):
        yield Batch.of_arrays(Ragged(*batch.ragged("tokens")), Ragged(*batch.ragged("labels")))


def _rows(records: Records) -> pa.RecordBatch:
    names = pa.array(map(str, range(len(records.tokens))))
    texts = pa.array([""] * len(names))
    labels, tokens = (
        pa.ListArray.from_arrays(lists.offsets.astype(np.int32), lists.values)
        for lists in (records.labels, records.tokens)
    )
    return pa.record_batch([names, texts, labels, tokens], schema=shard_schema(VOCABULARY))


if __name__ == "__main__":
    run(prepare, read)
