"""`lmmtc merge`: a data set grows by the shards of others."""

from collections.abc import Sequence
from pathlib import Path

from sharding import Manifest, merge


def run(dataset: Path, others: Sequence[Path]) -> None:
    """Merge and say what is there now."""
    before = Manifest.load(dataset)
    merged = merge(dataset, others)
    for split, shards in merged.splits.items():
        rows, old = (sum(shard.rows for shard in part) for part in (shards, before.splits.get(split, ())))
        print(f"{split}: {rows:,} records in {len(shards)} shards, {rows - old:,} of them new")  # noqa: T201
    print(f"{dataset}: {merged.dataset_id}")  # noqa: T201
