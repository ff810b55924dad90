"""`lmmtc data merge`: a data set grows by the shards of others."""

from pathlib import Path
from typing import Annotated

import typer


def merge(
    dataset: Annotated[Path, typer.Argument(help="Published data set that grows.")],
    others: Annotated[list[Path], typer.Argument(help="Data sets that were converted with its --vocabulary.")],
) -> None:
    """Append the shards of other data sets to a published one, without rewriting any."""
    import sharding

    before = sharding.Manifest.load(dataset)
    merged = sharding.merge(dataset, others)
    for split, shards in merged.splits.items():
        rows, old = (sum(shard.rows for shard in part) for part in (shards, before.splits.get(split, ())))
        typer.echo(f"{split}: {rows:,} records in {len(shards)} shards, {rows - old:,} of them new")
    typer.echo(f"{dataset}: {merged.dataset_id}")
