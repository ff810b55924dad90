"""A compact index from label names to ids, shared by processes: sorted 64-bit hashes, memory-mapped from disk.

Twelve bytes a label, shared by all processes of a machine; a dict of names takes some 150 in each of them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from ..formats import ArrowShard, write_shard
from ..storage import publish

_SEED = "seed"


class LabelLookup:
    """Ids by name for one vocabulary.

    A name outside of it is mistaken for one of L labels with probability L / 2^64.
    """

    def __init__(self, hashes_L: NDArray[np.uint64], ids_L: NDArray[np.uint32], seed: int) -> None:
        self._hashes_L, self._ids_L, self._seed = hashes_L, ids_L, seed

    @classmethod
    def build(cls, names: pa.StringArray) -> "LabelLookup":
        """Hash names that differ, with the first seed under which no two share a hash."""
        seed = 0
        while True:
            hashes_L = _hashes(names.to_pylist(), seed)
            order_L = np.argsort(hashes_L)
            hashes_L = hashes_L[order_L]
            if (hashes_L[1:] != hashes_L[:-1]).all():
                return cls(hashes_L, order_L.astype(np.uint32), seed)
            seed += 1

    def save(self, path: Path) -> None:
        """Publish one Arrow file."""
        columns = {"hash": pa.array(self._hashes_L), "id": pa.array(self._ids_L)}
        rows = pa.record_batch(columns).replace_schema_metadata({_SEED: str(self._seed)})
        with publish(path) as temporary:
            write_shard(temporary, rows)

    @classmethod
    def load(cls, path: Path) -> "LabelLookup":
        """Map a saved lookup."""
        rows = ArrowShard.open(path).rows
        seed = int((rows.schema.metadata or {})[_SEED.encode()])
        return cls(rows["hash"].to_numpy(), rows["id"].to_numpy(), seed)

    def ids(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Find the ids of names, -1 where one is not in the vocabulary."""
        wanted_N = _hashes(names, self._seed)
        if not len(self._hashes_L):
            return np.full(len(wanted_N), -1)
        place_N = np.searchsorted(self._hashes_L, wanted_N).clip(max=len(self._hashes_L) - 1)
        return np.where(self._hashes_L[place_N] == wanted_N, self._ids_L[place_N].astype(np.int64), -1)


def _hashes(names: Sequence[str], seed: int) -> NDArray[np.uint64]:
    hashes = (xxhash.xxh3_64_intdigest(name.encode(), seed) for name in names)
    return np.fromiter(hashes, np.uint64, len(names))
