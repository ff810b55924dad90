"""Build a neighbour index of a data set's training records: each rank encodes its share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from sharding import TRAIN, DataError, Dataset, Split, hash64

from ..config import NeighboursSection
from ..distributed import ONE_RANK, Ranks
from ..labels import RowRange
from .encoding import COLUMNS, QueryModel, encode_queries, fingerprint, query_width
from .folder import BlockContent, IndexFolder, Statistics
from .meta import META, IndexBlock, IndexMeta, names_hash
from .records import SCHEMA, record_rows
from .search import dense_keys
from .terms import Matrix, count_terms, document_frequencies, inverse_frequencies, weigh

Progress = Callable[[int, int], None]

_PURPOSE = 5
_READ = 4096  # records at a time


def build_index(
    model: QueryModel,
    dataset: Dataset,
    settings: NeighboursSection,
    out: Path,
    ranks: Ranks = ONE_RANK,
    progress: Progress = lambda _done, _total: None,
) -> IndexMeta:
    """Write an index of the training records, in place of one that is there. A collective.

    Which records are chosen, and in which order they stand, does not depend on the number of ranks. While it works a
    rank keeps the fp32 queries and the term counts of its share. Old files count until the last moment.

    Args:
        model: whose queries the dense keys are.
        dataset: with the model's labels, in their order.
        settings: which keys, and at most how many records (0: all of the split).
        out: RUN/neighbours, a folder that all ranks see.
        ranks: who shares the work.
        progress: called with (records of this rank that are done, all of them).

    Raises:
        ConfigError: dense keys are asked of a model that has no queries.
        DataError: the data set has other labels.
    """
    if not dataset.vocabulary.names.equals(model.vocabulary.names):
        labels = out.parent / "model" / "labels.arrow"
        raise DataError(
            f"{dataset.path}: has other labels than {out.parent} was trained on; shard it again with "
            f"--vocabulary {labels}"
        )
    width = query_width(model) if "dense" in settings.keys else 0
    split = dataset.split(TRAIN)
    chosen = choose_records(split.num_records, settings.records)
    own = RowRange.of_rank(len(chosen), ranks.rank, ranks.world_size)
    share = _Share.read(model, split, chosen[own.as_slice()], settings, progress)
    statistics = share.statistics(len(chosen), ranks)
    generation = next_generation(out)
    files = IndexFolder(out)
    meta = IndexMeta(
        generation=generation,
        step=model.step,
        fingerprint=fingerprint(model),
        labels=len(model.vocabulary),
        vocabulary=names_hash(model.vocabulary, len(model.vocabulary)),
        width=width,
        statistics=generation,
        idf_records=len(chosen),
        limit=settings.records,
        settings=settings,
        blocks=_blocks(len(chosen), generation, ranks.world_size),
    )
    if own:
        files.write_block(
            IndexBlock(start=own.start, stop=own.stop, generation=generation), share.content(statistics, meta)
        )
    if ranks.is_first:
        files.write_statistics(meta, statistics)
    ranks.barrier()  # all blocks are there
    if ranks.is_first:
        files.commit(meta)
    ranks.barrier()
    return meta


def choose_records(records: int, most: int) -> NDArray[np.int64]:
    """Choose positions of a split, ascending: all, or `most` of them (0: no bound), the first by a hash."""
    if not 0 < most < records:
        return np.arange(records)
    return np.sort(np.argsort(hash64(_PURPOSE, np.arange(records)), kind="stable")[:most])


def next_generation(folder: Path) -> int:
    """Count the changes of an index with the next one; 1 where there is none, or none that can be read."""
    if not (folder / META).is_file():
        return 1
    try:
        return IndexMeta.read(folder).generation + 1
    except DataError:
        return 1


@dataclass(frozen=True)
class _Share:
    """What a rank has read of its records: rows, queries [n, E] and term counts [n, V], both empty where not needed."""

    rows: pa.RecordBatch
    queries_NE: Tensor
    counts: Matrix

    @classmethod
    def read(
        cls,
        model: QueryModel,
        split: Split,
        positions: NDArray[np.int64],
        settings: NeighboursSection,
        progress: Progress,
    ) -> "_Share":
        is_dense, is_sparse = "dense" in settings.keys, "sparse" in settings.keys
        rows, counts = [SCHEMA.empty_table()], [count_terms([], settings.features)]
        queries_NE = torch.empty(len(positions), query_width(model) if is_dense else 0)
        for start in range(0, len(positions), _READ):
            split.advance(int(positions[start]), keep=_READ)
            table = split.take(positions[start : start + _READ], COLUMNS)
            texts = table["text"].to_pylist()
            rows.append(pa.table(record_rows(table["id"].to_pylist(), texts, table["labels"].combine_chunks())))
            if is_dense:
                queries_NE[start : start + len(texts)] = encode_queries(model, table)
            if is_sparse:
                counts.append(count_terms(texts, settings.features))
            progress(start + len(texts), len(positions))
        return cls(one_batch(rows), queries_NE, sparse.vstack(counts, format="csr"))

    def statistics(self, records: int, ranks: Ranks) -> Statistics:
        """Add up what keys are made with over the shares of all ranks. A collective."""
        frequencies = torch.from_numpy(document_frequencies(self.counts))
        mean_E = ranks.sum(self.queries_NE.double().sum(dim=0)) / records
        return Statistics(mean_E.float(), ranks.sum(frequencies))

    def content(self, statistics: Statistics, meta: IndexMeta) -> BlockContent:
        """Make keys."""
        return keyed(self.rows, self.queries_NE, self.counts, statistics, meta)


def keyed(
    rows: pa.RecordBatch, queries_NE: Tensor, counts: Matrix, statistics: Statistics, meta: IndexMeta
) -> BlockContent:
    """Make the keys of records from their queries and term counts, as the index has them."""
    dense_NE = torch.empty(queries_NE.shape, dtype=torch.bfloat16)
    for part_NE, keys_NE in zip(queries_NE.split(_READ), dense_NE.split(_READ), strict=True):
        keys_NE.copy_(dense_keys(part_NE, statistics.mean_E))
    idf_V = inverse_frequencies(statistics.frequencies.numpy(), meta.idf_records)
    return BlockContent(
        rows=rows,
        dense_NE=dense_NE if "dense" in meta.keys else None,
        sparse=weigh(counts, idf_V) if "sparse" in meta.keys else None,
    )


def one_batch(tables: Sequence[pa.Table]) -> pa.RecordBatch:
    """Put records behind each other, in one batch also where there are none."""
    whole = pa.concat_tables(tables).combine_chunks()
    return whole.to_batches()[0] if len(whole) else pa.RecordBatch.from_pylist([], SCHEMA)


def _blocks(records: int, generation: int, world_size: int) -> tuple[IndexBlock, ...]:
    """Cut the index as the ranks that write it do; a rank without records writes nothing."""
    shares = (RowRange.of_rank(records, rank, world_size) for rank in range(world_size))
    return tuple(IndexBlock(start=own.start, stop=own.stop, generation=generation) for own in shares if own)
