"""The description of a neighbour index, meta.json: whose keys it holds, how they were made, and in which files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pyarrow as pa
import xxhash
from pydantic import ValidationError

from sharding import DataError, Vocabulary, publish

from ..config import NeighboursSection, Section
from ..config.neighbours import Key
from ..errors import ConfigError
from .vote import VoteRule

META = "meta.json"
FORMAT = "lmmtc-neighbours/1"


class IndexBlock(Section):
    """Records start <= position < stop of the index, in files that were written by its change number `generation`."""

    start: int
    stop: int
    generation: int

    def name(self, part: str) -> str:
        """Name the file of a part of these records, without its ending."""
        return f"{part}-{self.generation:06d}-{self.start:010d}-{self.stop:010d}"


class IndexMeta(Section):
    """Everything about an index but its keys, labels and hashes.

    Attributes:
        step: of the checkpoint whose queries the dense keys are.
        fingerprint: of the parameters that make a query, see `fingerprint`.
        labels: how many labels the vocabulary had; vocabulary: a hash of their names, in the order of their ids.
        width: E of the dense keys, 0 without them.
        statistics: number of the change that wrote what keys are made with, the build.
        idf_records: records that the words' weights were counted over, when the index was built.
        limit: most records that the index may hold; 0: any number.
        blocks: which files hold which records, in the order of positions, without gaps.
    """

    format: Literal["lmmtc-neighbours/1"] = FORMAT
    generation: int
    step: int
    fingerprint: str
    labels: int
    vocabulary: str
    width: int
    statistics: int
    idf_records: int
    limit: int
    settings: NeighboursSection
    blocks: tuple[IndexBlock, ...]

    @property
    def records(self) -> int:
        """Count the records of all blocks."""
        return self.blocks[-1].stop if self.blocks else 0

    @property
    def keys(self) -> tuple[Key, ...]:
        """Name the kinds of keys that there are."""
        return self.settings.keys

    def rule(self, kind: Key) -> VoteRule:
        """Say how neighbours vote where nothing else was chosen."""
        powers = {"dense": self.settings.dense_power, "sparse": self.settings.sparse_power}
        return VoteRule(self.settings.k, powers[kind])

    @classmethod
    def read(cls, folder: Path) -> "IndexMeta":
        """Read meta.json; ConfigError when there is no index, DataError when it is damaged or of another format."""
        path = folder / META
        if not path.is_file():
            raise ConfigError(f"{folder}: there is no neighbour index: build it with {remedy(folder)}")
        try:
            meta = cls.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, ValidationError) as error:
            why = " ".join(str(error).split())
            raise DataError(
                f"{path}: is no neighbour index of this version: {why}: build it again with {remedy(folder)}"
            ) from None
        edges = [0, *(block.stop for block in meta.blocks)]
        if [block.start for block in meta.blocks] != edges[:-1] or edges != sorted(edges):
            raise DataError(f"{path}: its blocks do not follow each other: build it again with {remedy(folder)}")
        return meta

    def save(self, folder: Path) -> None:
        """Replace meta.json, whole or not at all: from then on the index is what it says."""
        with publish(folder / META) as temporary:
            temporary.write_text(self.model_dump_json(indent=1), encoding="utf-8")

    def check(self, folder: Path, fingerprint: str, vocabulary: Vocabulary) -> None:
        """Check that an index was made by this model and vocabulary.

        Labels that `lmmtc extend` has put behind those of the index are no difference: the others keep their ids.

        Raises:
            ConfigError: Another encoder or vocabulary has made it; the error says which, and what to do.
        """
        if self.fingerprint != fingerprint:
            raise ConfigError(
                f"{folder}: its keys were made by another encoder: of step {self.step}, fingerprint "
                f"{self.fingerprint}, and this model's is {fingerprint}: build it again with {remedy(folder)}"
            )
        if self.labels > len(vocabulary) or self.vocabulary != names_hash(vocabulary, self.labels):
            raise ConfigError(
                f"{folder}: its labels are of another vocabulary: {self.labels} labels that are not those of the run "
                f"({len(vocabulary)}): build it again with {remedy(folder)}"
            )


def remedy(folder: Path) -> str:
    """Name the command that builds an index anew."""
    return f"`lmmtc index {folder.parent}`"


def names_hash(vocabulary: Vocabulary, labels: int) -> str:
    """Hash the names of the first labels, in the order of their ids: xxh3_128, hexadecimal."""
    digest = xxhash.xxh3_128()
    for name in _pieces(vocabulary.names.slice(0, labels)):
        digest.update(len(name).to_bytes(8, "little") + name)
    return digest.hexdigest()


def _pieces(names: pa.StringArray) -> Sequence[bytes]:
    return [name.encode() for name in names.to_pylist()]
