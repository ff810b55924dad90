"""`lmmtc shard`: conversion with a bar, and what came out of it."""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from pathlib import Path

from sharding import DataError, Kind, SourceSettings, convert
from sharding.records import BadRecordPolicy

from ..progress import rounds


def run(
    source: Sequence[Path],
    out: Path,
    tokenizer: Path,
    *,
    settings: SourceSettings,
    label_texts: Path | None,
    vocabulary: Path | None,
    max_tokens: int,
    shard_rows: int,
    seed: int,
    on_bad_record: BadRecordPolicy,
    kinds: Sequence[Kind],
    workers: int,
    memory_mib: int,
    dask: str | None,
) -> None:
    """Convert and say what is there now."""
    with rounds() as show, _cluster(dask) if dask else nullcontext() as executor:
        manifest = convert(
            source,
            out,
            tokenizer,
            source_settings=settings,
            label_texts=label_texts,
            vocabulary=vocabulary,
            max_tokens=max_tokens,
            shard_rows=shard_rows,
            seed=seed,
            on_bad_record=on_bad_record,
            kinds=kinds,
            num_workers=workers,
            memory=memory_mib << 20,
            executor=executor,
            progress=show,
            skipped=lambda line: print(f"skipped: {line}", file=sys.stderr),  # noqa: T201
        )
    for split, shards in manifest.splits.items():
        print(f"{split}: {sum(shard.rows for shard in shards):,} records in {len(shards)} shards")  # noqa: T201
    print(f"labels: {manifest.labels.count:,}; skipped records: {manifest.skipped_records}")  # noqa: T201
    print(f"{out}: {manifest.dataset_id}")  # noqa: T201


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client  # noqa: PLC0415  # an extra that few need
    except ImportError:
        raise DataError(
            f"--dask {address}: the package 'distributed' is not installed: pip install lmmtc[dask]"
        ) from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise DataError(f"--dask {address}: no scheduler answers there: {error}") from None
    with client:
        yield client.get_executor()
