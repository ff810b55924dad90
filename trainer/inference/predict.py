"""Prediction: from texts to the names of their most likely labels, and files of them."""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from sharding import Record, RecordBatch, publish

from ..distributed import Ranks
from ..errors import ConfigError
from ..evaluation import Answering
from .loading import TrainedModel

_FLOATS = pa.list_(pa.float32())
SCHEMA = pa.schema(
    [("id", pa.string()), ("labels", pa.list_(pa.string())), ("scores", _FLOATS), ("probabilities", _FLOATS)]
)
FORMATS = (".parquet", ".csv", ".jsonl")
_SEPARATOR = "|"
_STEEPEST = 700.0  # beyond, exp overflows


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

    @property
    def probabilities(self) -> tuple[float, ...]:
        """The model's probability of each label."""
        return tuple(1 / (1 + math.exp(-min(max(score, -_STEEPEST), _STEEPEST))) for score in self.scores)


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


def check_format(path: Path) -> None:
    """Raise a ConfigError unless predictions can be written to a file of this name."""
    if path.suffix and path.suffix.lower() not in FORMATS:
        raise ConfigError(f"--output {path}: must end in {', '.join(FORMATS)}, which say how it is written")


def write_predictions(predictions: Iterable[Prediction], path: Path, rows: int = 4096) -> int:
    """Write a file of id, labels, scores and probabilities, whole or not at all; returns the number of records.

    The suffix says how: .parquet, or none, with lists; .jsonl, an object a record; .csv, with | between the labels, and
    between the scores, of a field.

    Args:
        predictions: What is written, read once.
        path: The file.
        rows: Records of a row group of Parquet.
    """
    parquet = partial(_write_parquet, rows=rows)
    write = {".csv": _write_csv, ".jsonl": _write_json_lines}.get(path.suffix.lower(), parquet)
    with publish(path) as temporary:
        return write(iter(predictions), temporary)


def _write_parquet(predictions: Iterator[Prediction], path: Path, *, rows: int) -> int:
    count = 0
    with pq.ParquetWriter(path, SCHEMA) as writer:
        while part := list(islice(predictions, rows)):
            columns = [[getattr(item, name) for item in part] for name in SCHEMA.names]
            arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA))
            count += len(part)
    return count


def _write_json_lines(predictions: Iterator[Prediction], path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for item in predictions:
            fields = {name: getattr(item, name) for name in SCHEMA.names}
            file.write(json.dumps(fields, ensure_ascii=False) + "\n")
            count += 1
    return count


def _write_csv(predictions: Iterator[Prediction], path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(SCHEMA.names)
        for item in predictions:
            numbers = ([f"{value:.6g}" for value in values] for values in (item.scores, item.probabilities))
            writer.writerow([item.id, *(_SEPARATOR.join(values) for values in (item.labels, *numbers))])
            count += 1
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
