"""`lmmtc verify`: all that is wrong with a data set, or that nothing is."""

from pathlib import Path

from sharding import CorruptShardError, verify


def run(dataset: Path) -> None:
    """Report; CorruptShardError with every problem if there is one."""
    report = verify(dataset)
    if report.problems:
        raise CorruptShardError("\n".join([f"{dataset}: {len(report.problems)} problems", *report.problems]))
    print(f"{dataset}: {report.num_records:,} records in {report.num_shards} shards, all as published")  # noqa: T201
