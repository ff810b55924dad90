"""The counting pass of a conversion: records by split, and label frequencies summed out of core.

No worker holds more label names than its share of the memory: what it has counted is written down and added up later,
column by column. What must fit as a whole is the vocabulary, some sixty bytes a label.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..formats import ArrowShard, write_shard
from ..records import DEV, SPLITS, TRAIN
from ..sources import Piece
from ..storage import publish
from .fingerprints import fingerprint, save
from .job import Job
from .reading import Rejected, read_groups

_BYTES_OF_A_COUNT = 200  # of a short name in a Counter
_ROWS_WORTH_ADDING = 1 << 20
_COLUMNS = ("count", "aside")


@dataclass(frozen=True)
class CorpusStatistics:
    """What a source holds.

    Attributes:
        records: Usable records by split.
        of_pieces: Usable records of each piece.
        skipped: Unusable records.
        left_out: Rows that count for nothing, such as those without a text.
        empty_texts: Records whose text is empty.
        sizes: Records by their number of labels.
        shown: What was wrong with some of the unusable ones.
        counts: Training records of each label: the columns name and count, in no order.
        aside: How many training records were set aside as dev, because there was none.
    """

    records: dict[str, int]
    of_pieces: tuple[int, ...]
    skipped: int
    left_out: int
    empty_texts: int
    sizes: dict[int, int]
    shown: tuple[str, ...]
    counts: pa.Table
    aside: int = 0


def count_piece(job: Job, number: int, piece: Piece) -> dict[str, Any]:
    """Count a piece; label counts, and hashes of ids and texts, are left in files."""
    rejected = Rejected(job, piece)
    records: Counter[str] = Counter()
    sizes: Counter[int] = Counter()
    counts: Counter[str] = Counter()
    aside: Counter[str] = Counter()
    files: list[Path] = []
    prints: list[Any] = []
    set_aside = empty = 0
    for group in read_groups(job, piece, rejected):
        for record, is_aside in zip(group.records, group.aside, strict=True):
            records[record.split or ""] += 1
            sizes[len(record.labels)] += 1
            empty += not record.text
            set_aside += is_aside
            for label in record.labels:
                counts[label] += record.split == TRAIN
            if is_aside:
                aside.update(record.labels)
        prints.append(fingerprint(group))
        if len(counts) * _BYTES_OF_A_COUNT > job.worker_bytes:
            files.append(_write(counts, aside, job.counts(number, len(files))))
            counts.clear()
            aside.clear()
    files.append(_write(counts, aside, job.counts(number, len(files))))
    save(prints, job.fingerprints(number))
    return {
        "records": records,
        "skipped": rejected.count,
        "left_out": rejected.left_out,
        "empty_texts": empty,
        "sizes": sizes,
        "aside": set_aside,
        "shown": rejected.shown,
        "counts": [str(path.relative_to(job.folder)) for path in files],
    }


def add_up(job: Job, found: Sequence[dict[str, Any]]) -> CorpusStatistics:
    """Put what was counted of all pieces together."""
    records: Counter[str] = Counter()
    sizes: Counter[int] = Counter()
    for piece in found:
        records.update(piece["records"])
        sizes.update({int(size): count for size, count in piece["sizes"].items()})
    files = [job.folder / name for piece in found for name in piece["counts"]]
    counts = _sum(pa.Table.from_batches([ArrowShard.open(file).rows]) for file in files)
    statistics = CorpusStatistics(
        records=dict(records),
        of_pieces=tuple(sum(piece["records"].values()) for piece in found),
        skipped=sum(piece["skipped"] for piece in found),
        left_out=sum(piece["left_out"] for piece in found),
        empty_texts=sum(piece["empty_texts"] for piece in found),
        sizes=dict(sorted(sizes.items())),
        shown=tuple(line for piece in found for line in piece["shown"]),
        counts=counts.select(["name", "count"]),
    )
    aside = sum(piece["aside"] for piece in found)
    if not 0 < aside < records[TRAIN] or records.keys() != set(SPLITS) - {DEV}:
        return statistics
    # pyarrow makes the function when it is imported.
    left = pc.subtract(counts["count"], counts["aside"])  # pyright: ignore[reportAttributeAccessIssue]
    return replace(
        statistics,
        records={**records, TRAIN: records[TRAIN] - aside, DEV: aside},
        counts=pa.table({"name": counts["name"], "count": left}),
        aside=aside,
    )


def _write(counts: Counter[str], aside: Counter[str], path: Path) -> Path:
    columns = {
        "name": pa.array(counts.keys(), pa.string()),
        "count": pa.array(counts.values(), pa.int64()),
        "aside": pa.array(np.array([aside[name] for name in counts], dtype=np.int64)),
    }
    with publish(path) as temporary:
        write_shard(temporary, pa.record_batch(columns))
    return path


def _sum(tables: Iterable[pa.Table]) -> pa.Table:
    """Add up counts by name, some tables at a time: as many rows as there are labels, so that work stays linear."""
    empty = pa.table({"name": pa.array([], pa.string()), **{name: pa.array([], pa.int64()) for name in _COLUMNS}})
    total, waiting = empty, []
    for table in tables:
        waiting.append(table)
        if sum(part.num_rows for part in waiting) > max(total.num_rows, _ROWS_WORTH_ADDING):
            total, waiting = _by_name([total, *waiting]), []
    return _by_name([total, *waiting])


def _by_name(tables: Sequence[pa.Table]) -> pa.Table:
    added = pa.concat_tables(tables).group_by("name").aggregate([(name, "sum") for name in _COLUMNS])
    return added.rename_columns(["name", *_COLUMNS])
