"""`lmmtc shard`: conversion with a bar, and what came out of it."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from pathlib import Path

from sharding import DataError, Manifest

from ..progress import rounds


def run(conversion: Callable[..., Manifest], out: Path, dask: str | None) -> None:
    """Convert, and say what is there now. conversion: `convert` with all that the user has said; out: its folder."""
    with rounds() as show, _cluster(dask) if dask else nullcontext() as executor:
        manifest = conversion(executor=executor, progress=show, skipped=_tell)
    for split, shards in manifest.splits.items():
        print(f"{split}: {sum(shard.rows for shard in shards):,} records in {len(shards)} shards")  # noqa: T201
    print(f"labels: {manifest.labels.count:,}; skipped records: {manifest.skipped_records}")  # noqa: T201
    print(f"{out}: {manifest.dataset_id}")  # noqa: T201


def _tell(line: str) -> None:
    print(f"skipped: {line}", file=sys.stderr)  # noqa: T201


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
