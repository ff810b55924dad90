"""The files of a neighbour index: immutable blocks of records, and meta.json, which says which count.

RUN/neighbours/meta.json, statistics-G.safetensors (mean of the dense keys, document frequencies), and of each block
records-G-START-STOP.arrow, dense-G-START-STOP.safetensors, sparse-G-START-STOP.safetensors; G is the number of the
change that wrote them. A change writes new files, replaces meta.json, and deletes what that no longer names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sharding import DataError, publish, sync

from ..labels import RowRange
from .meta import META, IndexBlock, IndexMeta, remedy
from .records import SCHEMA
from .terms import Matrix, matrix_of

_PARTS = ("records-", "dense-", "sparse-", "statistics-")  # with a dot in front while they are written


@dataclass(frozen=True)
class BlockContent:
    """Records and their keys.

    Attributes:
        rows: Records, as in `SCHEMA`.
        dense_NE: Dense keys in bf16; None: there are none.
        sparse: Sparse keys [n, features]; None: there are none.
    """

    rows: pa.RecordBatch
    dense_NE: Tensor | None = None
    sparse: Matrix | None = None

    def take(self, kept: np.ndarray) -> "BlockContent":
        """Copy out some records by a mask [n]."""
        places = np.flatnonzero(kept)
        return BlockContent(
            rows=self.rows.take(pa.array(places)),
            dense_NE=None if self.dense_NE is None else self.dense_NE[torch.from_numpy(places)],
            sparse=None if self.sparse is None else self.sparse[places],
        )


@dataclass(frozen=True)
class Statistics:
    """What all keys were made with.

    Attributes:
        mean_E: The mean query, fp32.
        frequencies: int64 [features], records that have each term.
    """

    mean_E: Tensor
    frequencies: Tensor


@dataclass(frozen=True)
class IndexFolder:
    """Reads and writes the files of an index; DataError for what is missing or damaged."""

    path: Path

    def write_block(self, block: IndexBlock, content: BlockContent) -> None:
        """Write the files of a block; they do not count before `commit`."""
        with publish(self.path / f"{block.name('records')}.arrow") as temporary:
            _write_rows(temporary, content.rows)
        if content.dense_NE is not None:
            self._save(block.name("dense"), {"keys": content.dense_NE})
        if content.sparse is not None:
            matrix = content.sparse
            offsets = torch.from_numpy(matrix.indptr.astype(np.int64))
            terms = torch.from_numpy(matrix.indices.astype(np.int32))
            self._save(block.name("sparse"), {"offsets": offsets, "terms": terms, "values": torch.tensor(matrix.data)})

    def write_statistics(self, meta: IndexMeta, statistics: Statistics) -> None:
        """Write what keys are made with, under the change number of `meta`."""
        tensors = {"mean": statistics.mean_E, "frequencies": statistics.frequencies}
        self._save(_statistics(meta.statistics), tensors)

    def commit(self, meta: IndexMeta) -> None:
        """Make `meta` the index, and delete the files of all others."""
        sync(self.path)
        meta.save(self.path)
        self.sweep(meta)

    def sweep(self, meta: IndexMeta) -> None:
        """Delete what `meta` does not name: what a change that was killed has left, or what was removed."""
        for path in self.path.iterdir():
            if path.name.lstrip(".").startswith(_PARTS) and path.name not in _names(meta):
                path.unlink(missing_ok=True)
        sync(self.path)

    def num_bytes(self) -> int:
        """Count the bytes of all files."""
        return sum(path.stat().st_size for path in self.path.iterdir())

    def rows(self, meta: IndexMeta) -> pa.Table:
        """Map ids, labels and hashes of all records."""
        return pa.Table.from_batches([self._rows(block) for block in meta.blocks], schema=SCHEMA)

    def statistics(self, meta: IndexMeta) -> Statistics:
        """Read what keys are made with."""
        name = _statistics(meta.statistics)
        tensors = self._parts(name, {"mean": None, "frequencies": None})
        if tensors["mean"].shape != (meta.width,) or tensors["frequencies"].shape != (meta.settings.features,):
            raise self._damaged(f"{name}.safetensors", "its shapes are not those that meta.json says")
        return Statistics(tensors["mean"], tensors["frequencies"])

    def dense(self, meta: IndexMeta, wanted: RowRange) -> Tensor:
        """Read the dense keys of a range of positions, bf16 [R, E], and no others."""
        parts = [torch.empty(0, meta.width, dtype=torch.bfloat16)]
        for block, own in _overlapping(meta, wanted):
            keys_NE = self._parts(block.name("dense"), {"keys": own})["keys"]
            if keys_NE.shape != (own.stop - own.start, meta.width) or keys_NE.dtype != torch.bfloat16:
                raise self._damaged(f"{block.name('dense')}.safetensors", "its keys are not those of its records")
            parts.append(keys_NE)
        return torch.cat(parts)

    def sparse(self, meta: IndexMeta, wanted: RowRange) -> Matrix:
        """Read the sparse keys of a range of positions, [R, features], and no others."""
        counts, terms, values = ([torch.empty(0, dtype=kind)] for kind in (torch.long, torch.int32, torch.float32))
        for block, own in _overlapping(meta, wanted):
            name = block.name("sparse")
            offsets = self._parts(name, {"offsets": slice(own.start, own.stop + 1)})["offsets"]
            if len(offsets) != own.stop + 1 - own.start or bool((offsets.diff() < 0).any()) or bool(offsets[0] < 0):
                raise self._damaged(f"{name}.safetensors", "its keys are not those of its records")
            inside = slice(int(offsets[0]), int(offsets[-1]))
            found = self._parts(name, {"terms": inside, "values": inside})
            if not len(found["terms"]) == len(found["values"]) == inside.stop - inside.start:
                raise self._damaged(f"{name}.safetensors", "its keys are not those of its records")
            if bool(((found["terms"] < 0) | (found["terms"] >= meta.settings.features)).any()):
                raise self._damaged(f"{name}.safetensors", f"has terms beyond its {meta.settings.features}")
            counts.append(offsets.diff())
            terms.append(found["terms"])
            values.append(found["values"])
        numbers, ids, weights = (torch.cat(parts).numpy() for parts in (counts, terms, values))
        return matrix_of(numbers, ids, weights, meta.settings.features)

    def content(self, meta: IndexMeta, block: IndexBlock) -> BlockContent:
        """Read a whole block."""
        own = RowRange(block.start, block.stop)
        return BlockContent(
            rows=self._rows(block),
            dense_NE=self.dense(meta, own) if "dense" in meta.keys else None,
            sparse=self.sparse(meta, own) if "sparse" in meta.keys else None,
        )

    def _rows(self, block: IndexBlock) -> pa.RecordBatch:
        name = f"{block.name('records')}.arrow"
        try:
            with pa.memory_map(str(self.path / name)) as file:  # what is mapped needs no open file
                rows = pa.ipc.open_file(file.read_buffer()).get_batch(0)
            for column in rows.columns:
                column.validate(full=True)  # an offset out of its column would end the process
        except (OSError, ValueError, pa.ArrowException) as error:
            raise self._damaged(name, str(error)) from None
        if rows.schema != SCHEMA or rows.num_rows != block.stop - block.start:
            raise self._damaged(name, f"does not hold {block.stop - block.start} records of an index")
        return rows

    def _parts(self, name: str, wanted: Mapping[str, slice | None]) -> dict[str, Tensor]:
        """Read tensors, or slices of their first dimension."""
        try:
            with safe_open(self.path / f"{name}.safetensors", "pt") as file:
                return {
                    part: file.get_tensor(part) if rows is None else file.get_slice(part)[rows]
                    for part, rows in wanted.items()
                }
        except (OSError, SafetensorError) as error:
            raise self._damaged(f"{name}.safetensors", str(error)) from None

    def _save(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        path = self.path / f"{name}.safetensors"
        with publish(path) as temporary:
            temporary.touch()
            mode = temporary.stat().st_mode
            save_file({part: tensor.contiguous() for part, tensor in tensors.items()}, temporary)
            temporary.chmod(mode)  # safetensors lets nobody but the owner read it

    def _damaged(self, name: str, why: str) -> DataError:
        return DataError(f"{self.path / name}: cannot be read: {why}: build the index again with {remedy(self.path)}")


def _write_rows(path: Path, rows: pa.RecordBatch) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
        writer.write_batch(rows)


def _overlapping(meta: IndexMeta, wanted: RowRange) -> Iterator[tuple[IndexBlock, slice]]:
    """Name the blocks that hold positions of a range, and which of their rows these are."""
    for block in meta.blocks:
        start, stop = max(block.start, wanted.start), min(block.stop, wanted.stop)
        if start < stop:
            yield block, slice(start - block.start, stop - block.start)


def _names(meta: IndexMeta) -> set[str]:
    names = {META, f"{_statistics(meta.statistics)}.safetensors"}
    for block in meta.blocks:
        names |= {f"{block.name('records')}.arrow"} | {f"{block.name(kind)}.safetensors" for kind in meta.keys}
    return names


def _statistics(generation: int) -> str:
    return f"statistics-{generation:06d}"
