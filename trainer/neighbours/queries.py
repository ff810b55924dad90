"""The interface of the model that a neighbour index needs, so that rankers may have an index without a cycle."""

from collections.abc import Callable
from typing import Protocol

import torch

from sharding import RecordBatch, TextTokenizer, Vocabulary

from ..config import Config
from ..data import TextBatch
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
