"""Decides how records become shards: encoded as they come, then shuffled within their split."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from .gathering import gather
from .keyed import hash64
from .labels import Vocabulary
from .manifest import ShardInfo
from .records import SPLITS, Record, shard_schema
from .shards import write_shard_files
from .tokenizing import TextTokenizer

_SHUFFLE = 34
_TEXTS_AT_ONCE = 4096


def encode(
    records: Iterable[Record], tokenizer: TextTokenizer, vocabulary: Vocabulary, max_tokens: int
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield (split, rows in source order) until all records are encoded."""
    source = iter(records)
    schema = shard_schema(tokenizer.spec.vocabulary_size)
    while group := list(islice(source, _TEXTS_AT_ONCE)):
        columns = {
            "id": [record.id for record in group],
            "text": [record.text for record in group],
            "labels": [sorted(map(vocabulary.id_of, record.labels)) for record in group],
            "tokens": tokenizer.encode_batch([record.text for record in group], max_tokens),
        }
        rows = pa.record_batch(columns, schema)
        for split in SPLITS:
            chosen = rows.filter(pa.array([record.split == split for record in group]))
            if chosen.num_rows:
                yield split, chosen


def write_shards(
    folder: Path, split: str, pieces: Sequence[pa.RecordBatch], shard_rows: int, seed: int
) -> Iterator[ShardInfo]:
    """Write the rows of one split into `folder`, in the order of the keyed hashes of their places in the source."""
    (folder / split).mkdir()
    lengths = [piece.num_rows for piece in pieces]
    shuffled = np.argsort(hash64(_SHUFFLE, seed, np.arange(sum(lengths))), kind="stable")
    for number, start in enumerate(range(0, len(shuffled), shard_rows)):
        chosen = shuffled[start : start + shard_rows]
        yield _write(
            folder, f"{split}/{number:05}", gather(lambda i, at: pieces[i].take(pa.array(at)), lengths, chosen)
        )


def _write(folder: Path, stem: str, rows: pa.RecordBatch) -> ShardInfo:
    return write_shard_files(folder, stem, rows, ("arrow",))
