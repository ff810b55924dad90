"""Add records to a neighbour index without training, and remove records from it and from the disk."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from sharding import DataError, Record, UnknownLabelError

from ..errors import ConfigError
from .build import keyed, one_batch
from .encoding import QueryModel, encode_queries, fingerprint, query_width, tokenized
from .folder import BlockContent, IndexFolder
from .meta import IndexBlock, IndexMeta, names_hash
from .records import RecordNames, record_rows
from .terms import count_terms


@dataclass(frozen=True)
class Change:
    """The result of a change.

    Attributes:
        added: Records that were added.
        replaced: Those of them that replaced a record.
        removed: Records that were removed.
        records: Records of the index now.
    """

    added: int
    replaced: int
    removed: int
    records: int


def add_records(folder: Path, model: QueryModel, records: Iterable[tuple[object, Record]]) -> Change:
    """Add records at the end of an index, with keys by the same model; one with a known id takes the old one's place.

    The mean of the queries and the weights of words stay those of the build: old keys need not be made again. A word
    that no built record had has no weight. Build the index again when many records have come.

    Args:
        folder: RUN/neighbours.
        model: the run's.
        records: with the names of their labels, and where each stands, for messages.

    Raises:
        ConfigError: no index, another model's, or more records than neighbours.records allows.
        UnknownLabelError: a label that the run does not have.
        DataError: an id that stands twice among the records, or a damaged index.
    """
    files, meta = IndexFolder(folder), IndexMeta.read(folder)
    meta.check(folder, fingerprint(model), model.vocabulary)
    content = _content(files, meta, model, _checked(records))
    known = RecordNames(files.rows(meta)).positions(content.rows["id"].to_pylist())
    old = known[known >= 0].numpy()
    total = meta.records - len(old) + content.rows.num_rows
    if meta.limit and total > meta.limit:
        raise ConfigError(
            f"{folder}: would hold {total:,} records, and neighbours.records = {meta.limit:,} are the most that it was "
            "built for: remove some (--remove), or build it again with --records"
        )
    labels = len(model.vocabulary)
    meta = meta.model_copy(update={"labels": labels, "vocabulary": names_hash(model.vocabulary, labels)})
    _rewrite(files, meta, old, content if content.rows.num_rows else None)
    return Change(content.rows.num_rows, int((known >= 0).any(dim=1).sum()), 0, total)


def remove_records(folder: Path, ids: Sequence[str]) -> Change:
    """Remove records by id: keys, labels and hashes leave the disk. Needs no model.

    The mean of the queries and the weights of words stay those of the build, sums over all records of that time.

    Raises:
        DataError: An id is not there; nothing is removed.
    """
    files, meta = IndexFolder(folder), IndexMeta.read(folder)
    known = RecordNames(files.rows(meta)).positions(ids)
    if missing := [name for name, found in zip(ids, (known >= 0).any(dim=1).tolist(), strict=True) if not found]:
        more = f", nor do {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(f"record {missing[0]!r}: does not stand in {folder}{more}: nothing was removed")
    gone = np.unique(known[known >= 0].numpy())
    _rewrite(files, meta, gone, None)
    return Change(0, 0, len(gone), meta.records - len(gone))


def _rewrite(files: IndexFolder, meta: IndexMeta, gone: NDArray[np.int64], new: BlockContent | None) -> None:
    """Write blocks that lose records anew, and new records behind them; other blocks keep their files.

    A block is named for its positions: behind the first that gets shorter all are written anew.
    """
    generation, blocks, stop = meta.generation + 1, list[IndexBlock](), 0
    for block in meta.blocks:
        kept = ~np.isin(np.arange(block.start, block.stop), gone)
        if kept.all() and stop == block.start:
            blocks.append(block)
        elif kept.any():
            moved = IndexBlock(start=stop, stop=stop + int(kept.sum()), generation=generation)
            files.write_block(moved, files.content(meta, block).take(kept))
            blocks.append(moved)
        stop += int(kept.sum())
    if new is not None:
        blocks.append(IndexBlock(start=stop, stop=stop + new.rows.num_rows, generation=generation))
        files.write_block(blocks[-1], new)
    files.commit(meta.model_copy(update={"generation": generation, "blocks": tuple(blocks)}))


def _checked(records: Iterable[tuple[object, Record]]) -> list[tuple[object, Record]]:
    """Take all; DataError for an id that comes twice."""
    taken = list(records)
    often = Counter(record.id for _, record in taken)
    for where, record in taken:
        if often[record.id] > 1:
            raise DataError(f"{where}: record {record.id!r}: is there {often[record.id]} times: give each id once")
    return taken


def _content(
    files: IndexFolder, meta: IndexMeta, model: QueryModel, records: Sequence[tuple[object, Record]]
) -> BlockContent:
    """Make keys of new records."""
    ids, texts = [record.id for _, record in records], [record.text for _, record in records]
    labels = pa.array([_label_ids(where, record, model) for where, record in records], pa.list_(pa.uint32()))
    rows = one_batch([pa.table(record_rows(ids, texts, labels))])
    is_dense = "dense" in meta.keys
    queries_NE = encode_queries(model, tokenized(model, ids, texts)) if is_dense else torch.empty(len(ids), 0)
    assert not is_dense or meta.width == query_width(model), "a fingerprint covers the width"
    return keyed(rows, queries_NE, count_terms(texts, meta.settings.features), files.statistics(meta), meta)


def _label_ids(where: object, record: Record, model: QueryModel) -> list[int]:
    try:
        return sorted({model.vocabulary.id_of(name) for name in record.labels})
    except UnknownLabelError as error:
        raise UnknownLabelError(f"{where}: {error}") from None
