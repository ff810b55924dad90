"""`lmmtc data verify`: all that is wrong with a data set, or that nothing is."""

import typer

from .options import DatasetArgument


def verify(dataset: DatasetArgument) -> None:
    """Check a data set to the last byte: checksums, counts, label and token ids."""
    import sharding

    report = sharding.verify(dataset)
    if report.problems:
        raise sharding.CorruptShardError("\n".join([f"{dataset}: {len(report.problems)} problems", *report.problems]))
    typer.echo(f"{dataset}: {report.num_records:,} records in {report.num_shards} shards, all as published")
