"""`lmmtc data shard`: a corpus becomes a data set, with a bar, on the cores of a machine or of a Dask cluster."""

import os
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..terminal.progress import rounds
from .options import listed, one_or_several


def shard(
    source: Annotated[
        list[Path],
        typer.Argument(help="Files or a folder: JSON lines, CSV, Parquet, tar, ...; docs/sources.md shows each."),
    ],
    out: Annotated[Path, typer.Argument(help="Folder for the data set.")],
    tokenizer: Annotated[Path, typer.Option(help="Folder with a Hugging Face tokenizer.json.")],
    kind: Annotated[str | None, typer.Option(help="What the source is, where its files do not tell.")] = None,
    id_field: Annotated[str, typer.Option(help="Field or column of a record's name.")] = "id",
    text_field: Annotated[
        list[str] | None,
        typer.Option(help="Field or column of the text; repeated: texts behind each other; default: text."),
    ] = None,
    labels_field: Annotated[
        list[str] | None, typer.Option(help="Field or column of the labels; repeated: labels of all; default: labels.")
    ] = None,
    split_field: Annotated[str, typer.Option(help="Field or column of the split.")] = "split",
    label_separator: Annotated[
        str | None, typer.Option(help="Between labels in one field; default: told from a sample, else |.")
    ] = None,
    label_columns: Annotated[
        list[str] | None,
        typer.Option(help="Columns of 0 and 1, each a label, with commas between or repeated."),
    ] = None,
    label_key: Annotated[str | None, typer.Option(help="Key that names a label, where labels are objects.")] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(help="Names of the columns of a table without a header, with commas between or repeated."),
    ] = None,
    encoding: Annotated[str, typer.Option(help="Of text files: cp1252, latin-1, utf-16, ...")] = "utf-8",
    unpack: Annotated[bool, typer.Option("--unpack", help="Read .zip, .bz2, .xz and .tar.gz as they are.")] = False,
    split: Annotated[
        Literal["train", "dev", "test"] | None, typer.Option(help="Split of all records, whatever they say.")
    ] = None,
    dev_share: Annotated[
        float,
        typer.Option(min=0, max=0.5, help="Of the training records, set aside as dev where there is only test."),
    ] = 0.1,
    feature_names: Annotated[
        Path | None, typer.Option(help="Line i names feature i, where records are features.")
    ] = None,
    feature_base: Annotated[
        int | None, typer.Option(min=0, max=1, help="Number of the first feature, where the files do not tell.")
    ] = None,
    label_texts: Annotated[
        Path | None, typer.Option(help="TSV or CSV file: label, what it means; or a SKOS vocabulary. May be .gz.")
    ] = None,
    label_language: Annotated[str | None, typer.Option(help="Of the texts of a vocabulary: en, fi, de, ...")] = None,
    vocabulary: Annotated[
        Path | None, typer.Option(help="labels.arrow of another data set, to keep its labels.")
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens kept of a text.")] = 512,
    shard_rows: Annotated[int, typer.Option(min=1, help="Records of a shard.")] = 16_384,
    seed: Annotated[int, typer.Option(help="Seed of the order in which records are written.")] = 0,
    on_bad_record: Annotated[
        Literal["raise", "skip"], typer.Option(help="Stop at a bad record, or count it.")
    ] = "raise",
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop where something about the source looks wrong, and not only say so.")
    ] = False,
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
    from sharding import SourceSettings, convert, described

    with rounds() as show, _cluster(dask) if dask else nullcontext((None, os.cpu_count() or 1)) as (executor, most):
        manifest = convert(
            source,
            out,
            tokenizer,
            source_settings=SourceSettings(
                kind=kind,
                id_field=id_field,
                text_field=one_or_several(text_field, "text"),
                labels_field=one_or_several(labels_field, "labels"),
                split_field=split_field,
                label_separator=label_separator,
                split=split,
                feature_names=feature_names,
                label_columns=listed(label_columns),
                label_key=label_key,
                columns=listed(columns),
                encoding=encoding,
                unpack=unpack,
                feature_base=feature_base,
            ),
            label_texts=label_texts,
            label_language=label_language,
            vocabulary=vocabulary,
            max_tokens=max_tokens,
            shard_rows=shard_rows,
            seed=seed,
            dev_share=dev_share,
            strict=strict,
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
    for line in described(manifest.source or {}):
        typer.echo(line)
    typer.echo(f"{out}: {manifest.dataset_id}")
    for line in (manifest.source or {}).get("warnings", ()):
        typer.echo(f"warning: {line}", err=True)


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
