"""Settings of the neighbour index: a memory of training records whose labels vote beside the model's own scores."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from .section import Positive, Rate, Section

Key = Literal["dense", "sparse"]


class NeighboursSection(Section):
    """The neighbour index that `lmmtc index` builds: keys and labels of training records, which are kept with the run.

    A run that has one carries its training records' keys and labels: docs/security.md says what that gives away.
    """

    records: Annotated[int, Field(ge=0)] = 0
    """Most training records that are remembered, chosen by a hash of their position; 0: the run plans no index."""
    keys: tuple[Key, ...] = ("dense", "sparse")
    """What records are found by: dense (the model's query), sparse (TF-IDF of all words of the text), or both."""
    k: Positive = 10
    """Nearest records whose labels vote, where `lmmtc tune` finds nothing better on the dev split; as the powers."""
    features: Annotated[int, Field(gt=0, lt=2**31)] = 2**20
    """Hashed words of the sparse keys; 4 bytes each on every rank."""
    dense_power: Rate = 8.0
    """A dense neighbour's vote is this power of its cosine, relative to those of all k."""
    sparse_power: Rate = 2.0
    """A sparse neighbour's vote is this power of its cosine, relative to those of all k."""
    chunk: Positive = 8192
    """Records that are compared at a time: memory is questions times chunk."""

    @field_validator("keys")
    @classmethod
    def _are_some(cls, keys: tuple[Key, ...]) -> tuple[Key, ...]:
        if not keys or len(set(keys)) < len(keys):
            raise ValueError(f"neighbours.keys = {list(keys)}: must be 'dense', 'sparse', or both, each once")
        return keys
