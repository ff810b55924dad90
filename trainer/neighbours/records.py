"""The record table of a neighbour index: ids, labels, and hashes that recognise duplicate texts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import torch
import xxhash
from numpy.typing import NDArray
from torch import Tensor

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("labels", pa.list_(pa.uint32())),
        ("text_hash", pa.binary(16)),
        ("title_hash", pa.binary(16)),
    ]
)
_SPACE = re.compile(r"\s+")


def text_hash(text: str) -> bytes:
    """Hash a text but for the case of its letters and the width of its spaces: xxh3_128, 16 bytes."""
    return xxhash.xxh3_128_digest(_SPACE.sub(" ", text.strip()).lower().encode())


def title_hash(text: str) -> bytes:
    """Hash the title in the same way: the first line, up to the first full stop that a space or nothing follows."""
    return text_hash(text.strip().split("\n", 1)[0].split(". ", 1)[0].removesuffix("."))


def record_rows(ids: Sequence[str], texts: Sequence[str], labels: pa.Array) -> pa.RecordBatch:
    """Describe records; labels: a list of ids for each, without repeats."""
    hashes = ([hash_of(text) for text in texts] for hash_of in (text_hash, title_hash))
    arrays = [pa.array(ids, pa.string()), labels.cast(pa.list_(pa.uint32()))]
    return pa.RecordBatch.from_arrays(arrays + [pa.array(each, pa.binary(16)) for each in hashes], schema=SCHEMA)


@dataclass(frozen=True)
class RecordNames:
    """Ids and hashes of all N records of an index, whichever rank has their keys; what is looked up is sorted once.

    Memory: the records are mapped from disk; a lookup by id keeps 16 bytes a record, one by text 32.
    """

    rows: pa.Table

    def positions(self, ids: Sequence[str]) -> Tensor:
        """Find records by id.

        Returns:
            int64 [B, X], ascending, -1: none. X is 1, or more where a record id stands in the index more than once.
        """
        hashes = _id_hashes(ids)
        sorted_N, order_N = self._by_id
        edges = zip(np.searchsorted(sorted_N, hashes), np.searchsorted(sorted_N, hashes, side="right"), strict=True)
        names = self.rows["id"]
        found = [
            sorted(int(place) for place in order_N[start:stop] if names[int(place)].as_py() == name)
            for name, (start, stop) in zip(ids, edges, strict=True)
        ]
        positions_BX = torch.full((len(ids), max(map(len, found), default=0) or 1), -1, dtype=torch.long)
        for row, places in enumerate(found):
            positions_BX[row, : len(places)] = torch.tensor(places, dtype=torch.long)
        return positions_BX

    def known(self, texts: Sequence[str]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Tell of each text whether a remembered record has the same text, and the same title: bool [B] twice.

        Case and white space do not count. An empty text is nobody's repetition.
        """
        said = np.array([bool(text.strip()) for text in texts], dtype=bool)
        return said & _among(map(text_hash, texts), self._texts), said & _among(map(title_hash, texts), self._titles)

    @cached_property
    def _by_id(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        chunks = self.rows["id"].chunks
        hashes_N = np.concatenate([_id_hashes([]), *(_id_hashes(chunk.to_pylist()) for chunk in chunks)])
        order_N = np.argsort(hashes_N, kind="stable")
        return hashes_N[order_N], order_N

    @cached_property
    def _texts(self) -> NDArray[np.bytes_]:
        return _sorted(self.rows["text_hash"])

    @cached_property
    def _titles(self) -> NDArray[np.bytes_]:
        return _sorted(self.rows["title_hash"])


def _id_hashes(ids: Sequence[str]) -> NDArray[np.uint64]:
    return np.fromiter((xxhash.xxh3_64_intdigest(name.encode()) for name in ids), np.uint64, len(ids))


def _sorted(column: pa.ChunkedArray) -> NDArray[np.bytes_]:
    parts = [np.frombuffer(chunk.buffers()[1], "S16", len(chunk), 16 * chunk.offset) for chunk in column.chunks]
    return np.sort(np.concatenate([np.empty(0, "S16"), *parts]))


def _among(hashes: "map[bytes]", sorted_N: NDArray[np.bytes_]) -> NDArray[np.bool_]:
    """Tell which hashes are there. numpy drops zero bytes at the end of both, so that equal stays equal."""
    asked_B = np.array(list(hashes), dtype="S16")
    places_B = np.searchsorted(sorted_N, asked_B)
    inside_B = places_B < len(sorted_N)
    found_B = np.zeros(len(asked_B), dtype=bool)
    found_B[inside_B] = sorted_N[places_B[inside_B]] == asked_B[inside_B]
    return found_B
