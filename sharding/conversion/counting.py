"""The counting pass of a conversion: records by split, and label frequencies summed out of core.

No worker holds more label names than its share of the memory: what it has counted is written down and added up later,
column by column. What must fit as a whole is the vocabulary, some sixty bytes a label.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..formats import ArrowShard, write_shard
from ..records import TRAIN
from ..sources import Piece
from ..storage import publish
from .job import Job
from .reading import Rejected, read_groups

_BYTES_OF_A_COUNT = 200  # of a short name in a Counter
_ROWS_WORTH_ADDING = 1 << 20


@dataclass(frozen=True)
class CorpusStatistics:
    """What a source holds.

    Attributes:
        records: Usable records by split.
        of_pieces: Usable records of each piece.
        skipped: Unusable records.
        shown: What was wrong with some of the unusable ones.
        counts: Training records of each label: the columns name and count, in no order.
    """

    records: dict[str, int]
    of_pieces: tuple[int, ...]
    skipped: int
    shown: tuple[str, ...]
    counts: pa.Table


def count_piece(job: Job, number: int, piece: Piece) -> dict[str, Any]:
    """Count a piece; label counts are left in files."""
    rejected = Rejected(job, piece)
    records: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    files: list[Path] = []
    for group in read_groups(job, piece, rejected):
        for record in group.records:
            records[record.split or ""] += 1
            for label in record.labels:
                counts[label] += record.split == TRAIN
        if len(counts) * _BYTES_OF_A_COUNT > job.worker_bytes:
            files.append(_write(counts, job.counts(number, len(files))))
            counts.clear()
    files.append(_write(counts, job.counts(number, len(files))))
    names = [str(path.relative_to(job.folder)) for path in files]
    return {"records": records, "skipped": rejected.count, "shown": rejected.shown, "counts": names}


def add_up(job: Job, found: Sequence[dict[str, Any]]) -> CorpusStatistics:
    """Put what was counted of all pieces together."""
    records: Counter[str] = Counter()
    for piece in found:
        records.update(piece["records"])
    files = [job.folder / name for piece in found for name in piece["counts"]]
    return CorpusStatistics(
        records=dict(records),
        of_pieces=tuple(sum(piece["records"].values()) for piece in found),
        skipped=sum(piece["skipped"] for piece in found),
        shown=tuple(line for piece in found for line in piece["shown"]),
        counts=_sum(pa.Table.from_batches([ArrowShard.open(file).rows]) for file in files),
    )


def _write(counts: Counter[str], path: Path) -> Path:
    columns = {"name": pa.array(counts.keys(), pa.string()), "count": pa.array(counts.values(), pa.int64())}
    with publish(path) as temporary:
        write_shard(temporary, pa.record_batch(columns))
    return path


def _sum(tables: Iterable[pa.Table]) -> pa.Table:
    """Add up counts by name, some tables at a time: as many rows as there are labels, so that work stays linear."""
    total, waiting = pa.table({"name": pa.array([], pa.string()), "count": pa.array([], pa.int64())}), []
    for table in tables:
        waiting.append(table)
        if sum(part.num_rows for part in waiting) > max(total.num_rows, _ROWS_WORTH_ADDING):
            total, waiting = _by_name([total, *waiting]), []
    return _by_name([total, *waiting])


def _by_name(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables).group_by("name").aggregate([("count", "sum")]).rename_columns(["name", "count"])
