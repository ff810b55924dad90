"""`lmmtc data shard`: a corpus becomes a data set, with a bar, on the cores of a machine or of a Dask cluster."""

import os
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..terminal.progress import rounds


def shard(
    source: Annotated[
        list[Path],
        typer.Argument(help="Files or a folder: JSON lines, CSV, Parquet, tar, ...; docs/sources.md shows each."),
    ],
    out: Annotated[Path, typer.Argument(help="Folder for the data set.")],
    tokenizer: Annotated[Path, typer.Option(help="Folder with a Hugging Face tokenizer.json.")],
    kind: Annotated[str | None, typer.Option(help="What the source is, where its files do not tell.")] = None,
    id_field: Annotated[str, typer.Option(help="Field or column of a record's name.")] = "id",
    text_field: Annotated[str, typer.Option(help="Field or column of the text.")] = "text",
    labels_field: Annotated[str, typer.Option(help="Field or column of the labels.")] = "labels",
    split_field: Annotated[str, typer.Option(help="Field or column of the split.")] = "split",
    label_separator: Annotated[str, typer.Option(help="Between labels in one field.")] = "|",
    split: Annotated[
        Literal["train", "dev", "test"] | None, typer.Option(help="Split of all records, whatever they say.")
    ] = None,
    feature_names: Annotated[
        Path | None, typer.Option(help="Line i names feature i, where records are features.")
    ] = None,
    label_texts: Annotated[Path | None, typer.Option(help="TSV file (may be .gz): label, tab, what it means.")] = None,
    vocabulary: Annotated[
        Path | None, typer.Option(help="labels.arrow of another data set, to keep its labels.")
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens kept of a text.")] = 512,
    shard_rows: Annotated[int, typer.Option(min=1, help="Records of a shard.")] = 16_384,
    seed: Annotated[int, typer.Option(help="Seed of the order in which records are written.")] = 0,
    on_bad_record: Annotated[
        Literal["raise", "skip"], typer.Option(help="Stop at a bad record, or count it.")
    ] = "raise",
    shard_format: Annotated[
        Literal["arrow", "webdataset", "both"], typer.Option("--format", help="Format of the shards.")
    ] = "arrow",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: one for each core, or all of the Dask cluster.")
    ] = None,
    memory: Annotated[int, typer.Option(min=1, help="MiB of records and counts that all workers together hold.")] = 512,
    dask: Annotated[
        str | None, typer.Option(help="Scheduler of a Dask cluster that sees the same files, tcp://HOST:PORT.")
    ] = None,
) -> None:
    """Turn a corpus into shards with a manifest, tokenised and shuffled; started again, it goes on where it stopped."""
    from sharding import SourceSettings, convert

    with rounds() as show, _cluster(dask) if dask else nullcontext((None, os.cpu_count() or 1)) as (executor, most):
        manifest = convert(
            source,
            out,
            tokenizer,
            source_settings=SourceSettings(
                kind, id_field, text_field, labels_field, split_field, label_separator, split, feature_names
            ),
            label_texts=label_texts,
            vocabulary=vocabulary,
            max_tokens=max_tokens,
            shard_rows=shard_rows,
            seed=seed,
            on_bad_record=on_bad_record,
            kinds=("arrow", "webdataset") if shard_format == "both" else (shard_format,),
            memory=memory << 20,
            executor=executor,
            num_workers=workers or most,
            progress=show,
            skipped=_tell,
        )
    for name, shards in manifest.splits.items():
        typer.echo(f"{name}: {sum(each.rows for each in shards):,} records in {len(shards)} shards")
    typer.echo(f"labels: {manifest.labels.count:,}; skipped records: {manifest.skipped_records}")
    typer.echo(f"{out}: {manifest.dataset_id}")


def _tell(line: str) -> None:
    typer.echo(f"skipped: {line}", err=True)


@contextmanager
def _cluster(address: str) -> Iterator[tuple[Executor, int]]:
    """Lend a cluster's executor, with how many parts it works on at a time."""
    from sharding import DataError

    try:
        from distributed import Client  # an extra that few need
        from distributed.comm.core import CommClosedError
        from distributed.scheduler import KilledWorker
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
