"""`lmmtc shard`: conversion with a bar, and what came out of it."""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sharding import DataError, Manifest

from ..terminal.progress import rounds


def run(conversion: Callable[..., Manifest], out: Path, workers: int | None, dask: str | None) -> None:
    """Convert, and say what is there now.

    conversion: `convert` with all that the user has said; out: its folder. workers: None: as many as there are.
    """
    with rounds() as show, _cluster(dask) if dask else nullcontext((None, os.cpu_count() or 1)) as (executor, most):
        manifest = conversion(executor=executor, num_workers=workers or most, progress=show, skipped=_tell)
    for split, shards in manifest.splits.items():
        print(f"{split}: {sum(shard.rows for shard in shards):,} records in {len(shards)} shards")  # noqa: T201
    print(f"labels: {manifest.labels.count:,}; skipped records: {manifest.skipped_records}")  # noqa: T201
    print(f"{out}: {manifest.dataset_id}")  # noqa: T201


def _tell(line: str) -> None:
    print(f"skipped: {line}", file=sys.stderr)  # noqa: T201


@contextmanager
def _cluster(address: str) -> Iterator[tuple[Executor, int]]:
    """Lend a cluster's executor, with how many parts it works on at a time."""
    try:
        from distributed import Client  # noqa: PLC0415  # an extra that few need
        from distributed.comm.core import CommClosedError  # noqa: PLC0415
        from distributed.scheduler import KilledWorker  # noqa: PLC0415
    except ImportError:
        raise DataError(
            f"--dask {address}: the package 'distributed' is not installed: pip install lmmtc[dask]"
        ) from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise DataError(f"--dask {address}: no scheduler answers there: {error}") from None
    try:
        with client:
            threads: Any = client.nthreads()  # by worker: this client is not an asynchronous one
            yield client.get_executor(), max(sum(threads.values()), 1)
    except (CommClosedError, KilledWorker) as error:
        raise DataError(
            f"--dask {address}: workers were lost: {error}: finished parts are kept: start again"
        ) from error
