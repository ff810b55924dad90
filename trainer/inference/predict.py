"""Prediction: from texts to the names of their most likely labels."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from sharding import Record, RecordBatch, publish

from ..distributed import Ranks
from ..evaluation import Answering
from .loading import TrainedModel

SCHEMA = pa.schema([("id", pa.string()), ("labels", pa.list_(pa.string())), ("scores", pa.list_(pa.float32()))])


@dataclass(frozen=True)
class Prediction:
    """The best labels of one record, best first.

    Attributes:
        id: Id of the record.
        labels: Names of the labels, best first.
        scores: Scores of the labels; the sigmoid of a score is the model's probability.
    """

    id: str
    labels: tuple[str, ...]
    scores: tuple[float, ...]


def predict(
    model: TrainedModel, records: Iterable[Record], top: int, batch: int = 32, ranker: Answering | None = None
) -> Iterator[Prediction]:
    """Predict the labels of records, but for those that are given.

    A collective: every rank is given all records and ranks its share of them; the first rank yields what all have
    found, in order, and the others nothing.

    Args:
        model: The trained model.
        records: The records to label.
        top: Labels of a record, at most; no more than the ranker ranks.
        batch: Records of a rank at a time.
        ranker: The ranker that answers, see `answering`; None: the model's own.

    Raises:
        UnknownLabelError: A given label is none of the model's.
    """
    source, world_size = iter(records), model.ranker.labels.ranks.world_size
    while part := list(islice(source, batch * world_size)):
        yield from _predict_part(model, ranker or model.ranker, part, top)


def write_predictions(predictions: Iterable[Prediction], path: Path, rows: int = 4096) -> int:
    """Write a Parquet file (id, labels, scores), complete or not at all; returns the number of records."""
    source, count = iter(predictions), 0
    with publish(path) as temporary, pq.ParquetWriter(temporary, SCHEMA) as writer:
        while part := list(islice(source, rows)):
            columns = [[item.id for item in part], [item.labels for item in part], [item.scores for item in part]]
            arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA))
            count += len(part)
    return count


def _predict_part(model: TrainedModel, ranker: Answering, records: Sequence[Record], top: int) -> Iterator[Prediction]:
    ranks = model.ranker.labels.ranks
    own = _share(records, ranks)
    given = [{model.vocabulary.id_of(name): true for name, true in record.given} for record in own]
    *_, answer = ranker.rank(as_batch(model, own), given).values()
    ids_NK, scores_NK = (
        ranks.gather_on_first(torch.from_numpy(part)).numpy() for part in (answer.ids_BK, answer.scores_BK)
    )
    for record, ids_K, scores_K in zip(records, ids_NK, scores_NK, strict=False):  # what fills up stands at the end
        real_K = ids_K >= 0
        names = model.vocabulary.names_of(ids_K[real_K][:top])
        yield Prediction(record.id, tuple(names), tuple(scores_K[real_K][:top].tolist()))


def _share(records: Sequence[Record], ranks: Ranks) -> Sequence[Record]:
    """Take this rank's records; a rank that has fewer than the first fills up with copies of one."""
    size = -(-len(records) // ranks.world_size)
    own = records[ranks.rank * size : (ranks.rank + 1) * size]
    return [*own, *[records[0]] * (size - len(own))]


def as_batch(model: TrainedModel, records: Sequence[Record]) -> RecordBatch:
    """Make one batch of records, tokenized as the model reads them, with their texts."""
    tokens = model.tokenizer.encode_batch([record.text for record in records], model.config.model.max_tokens)
    columns = {
        "tokens": pa.array(tokens, pa.list_(pa.uint32())),
        "id": pa.array([record.id for record in records], pa.string()),
        "text": pa.array([record.text for record in records], pa.string()),
        "labels": pa.array([[]] * len(records), pa.list_(pa.uint32())),
    }
    size = len(records)
    return RecordBatch(0, np.arange(size), np.ones(size, dtype=np.float32), pa.table(columns))
