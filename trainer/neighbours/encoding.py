"""Queries of records by the trained model, and a fingerprint of all that makes a query."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
import xxhash
from torch import Tensor

from sharding import RecordBatch, TextTokenizer, Vocabulary

from ..config import Config
from ..data import TextBatch
from ..errors import ConfigError
from ..labels import Candidates
from ..model import Model


class Reader(Protocol):
    """Reads records; a `Ranker` is one."""

    @property
    def model(self) -> Model: ...
    @property
    def labels(self) -> Candidates: ...
    @property
    def collate(self) -> Callable[[RecordBatch], TextBatch]: ...
    @property
    def device(self) -> torch.device: ...


class QueryModel(Protocol):
    """A model whose queries are keys; a `TrainedModel` is one."""

    @property
    def config(self) -> Config: ...
    @property
    def step(self) -> int: ...
    @property
    def vocabulary(self) -> Vocabulary: ...
    @property
    def tokenizer(self) -> TextTokenizer: ...
    @property
    def ranker(self) -> Reader: ...


COLUMNS = ("id", "text", "labels", "tokens")
BATCH = 64
_MAKE_QUERIES = ("encoder.", "query.")


def fingerprint(model: QueryModel) -> str:
    """Hash what makes a query of a text: parameters of encoder and query head, tokenizer, cut and pooling.

    Returns:
        32 hexadecimal digits, xxh3_128: against mistakes, not against forgery.
    """
    settings, tokenizer = model.config.model, model.tokenizer.spec.sha256
    digest = xxhash.xxh3_128(f"{settings.max_tokens} {settings.pooling} {tokenizer}".encode())
    for name, parameter in sorted(model.ranker.model.named_parameters()):
        if name.startswith(_MAKE_QUERIES):
            digest.update(f"{name} {list(parameter.shape)}".encode())
            digest.update(parameter.detach().float().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def query_width(model: QueryModel) -> int:
    """Say how wide queries are; ConfigError for a model without any."""
    if not model.ranker.labels.scans:
        raise ConfigError(
            "neighbours.keys: 'dense' are queries of the scan, and with cloze.slots = 'all' nothing is scanned: use "
            "neighbours.keys = ['sparse']"
        )
    return model.config.model.label_width or model.ranker.model.encoder.width


@torch.no_grad()
def encode_queries(model: QueryModel, records: pa.Table) -> Tensor:
    """Encode records with nothing masked and nothing revealed; those of like length are read together.

    Args:
        model: The model whose queries they are.
        records: The columns id and tokens, n rows.

    Returns:
        Queries [n, E], fp32, in host memory.
    """
    queries_NE = torch.empty(len(records), query_width(model))
    order_N = np.argsort(pc.list_value_length(records["tokens"]).to_numpy(), kind="stable")  # pyright: ignore[reportAttributeAccessIssue]
    ranker = model.ranker
    was_training = ranker.model.training
    ranker.model.eval()
    for start in range(0, len(records), BATCH):
        places = order_N[start : start + BATCH]
        batch = ranker.collate(_as_batch(records.take(pa.array(places)))).to(ranker.device)
        queries_NE[torch.from_numpy(places)] = ranker.model.read(batch).query_BE.float().cpu()
    ranker.model.train(was_training)
    return queries_NE


def tokenized(model: QueryModel, ids: Sequence[str], texts: Sequence[str]) -> pa.Table:
    """Lay out texts that are in no shard as records of one: the columns id and tokens."""
    tokens = model.tokenizer.encode_batch(list(texts), model.config.model.max_tokens)
    return pa.table({"id": pa.array(ids, pa.string()), "tokens": pa.array(tokens, pa.list_(pa.uint32()))})


def _as_batch(records: pa.Table) -> RecordBatch:
    size = len(records)
    table = pa.table(
        {
            "id": records["id"].combine_chunks(),
            "tokens": records["tokens"].combine_chunks(),
            "labels": pa.array([[]] * size, pa.list_(pa.uint32())),
        }
    )
    return RecordBatch(0, np.arange(size), np.ones(size, dtype=np.float32), table)
