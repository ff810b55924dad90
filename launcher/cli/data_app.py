"""The subcommands of `lmmtc` that make data sets and look at them: what each is for and what it takes."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer()


@app.command()
def shard(  # noqa: PLR0917  # typer reads the options from here
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
    from sharding import SourceSettings, convert  # noqa: PLC0415

    from . import shard as command  # noqa: PLC0415

    conversion = partial(
        convert,
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
    )
    command.run(conversion, out, workers, dask)


@app.command()
def verify(dataset: Annotated[Path, typer.Argument(help="Folder that `lmmtc shard` has written.")]) -> None:
    """Check a data set to the last byte: checksums, counts, label and token ids."""
    from . import verify as command  # noqa: PLC0415

    command.run(dataset)


@app.command()
def inspect(
    dataset: Annotated[Path, typer.Argument(help="Folder that `lmmtc shard` has written.")],
    split: Annotated[str, typer.Option(help="Split of the shard that is shown.")] = "train",
    shard: Annotated[
        int | None, typer.Option(min=0, help="Show records of this shard of the split, numbered from 0.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Records that are shown of it.")] = 10,
) -> None:
    """Show what a data set holds, or records of one of its shards: texts, labels and tokens."""
    from . import inspect as command  # noqa: PLC0415

    command.run(dataset, split, shard, rows)


@app.command()
def merge(
    dataset: Annotated[Path, typer.Argument(help="Published data set that grows.")],
    others: Annotated[list[Path], typer.Argument(help="Data sets that were converted with its --vocabulary.")],
) -> None:
    """Append the shards of other data sets to a published one, without rewriting any."""
    from . import merge as command  # noqa: PLC0415

    command.run(dataset, others)


@app.command()
def simulate(  # noqa: PLR0917  # typer reads the options from here
    dataset: Annotated[Path, typer.Argument(help="Folder that `lmmtc shard` has written.")],
    nodes: Annotated[int, typer.Option(min=1, help="Machines that train together.")],
    ranks_per_node: Annotated[int, typer.Option(min=1, help="Ranks of each, which share its cache.")],
    batch: Annotated[int, typer.Option(min=1, help="Records of one step (train.global_batch).")],
    micro_batch: Annotated[
        int | None,
        typer.Option(
            min=1, help="Most records of a rank at a time (train.micro_batch); default: its share of the step."
        ),
    ] = None,
    micro_tokens: Annotated[
        int | None, typer.Option(min=1, help="Simulate a budget of tokens as well (train.micro_tokens).")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens read of a text (model.max_tokens); default: all that are stored.")
    ] = None,
    cache_gb: Annotated[float | None, typer.Option(min=0, help="Tell whether a cache of so many GB is enough.")] = None,
    lanes: Annotated[int, typer.Option(min=1, help="Lanes of the order (data.lanes).")] = 64,
    split: Annotated[str, typer.Option(help="Records that are read.")] = "train",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,  # noqa: FBT002
) -> None:
    """Tell what an epoch would ask of a cluster: steps, shards held, cache, bytes fetched, padding."""
    from sharding import Cluster  # noqa: PLC0415

    from . import simulate as command  # noqa: PLC0415

    command.run(
        dataset,
        Cluster(nodes, ranks_per_node),
        split=split,
        batch=batch,
        micro_batch=micro_batch,
        micro_tokens=micro_tokens,
        max_tokens=max_tokens,
        lanes=lanes,
        cache_gb=cache_gb,
        as_json=as_json,
    )


@app.command()
def upload(
    dataset: Annotated[Path, typer.Argument(help="Folder that `lmmtc shard` has written.")],
    address: Annotated[str, typer.Argument(help="s3://BUCKET/PREFIX, as in data.dataset.")],
) -> None:
    """Copy a data set to a bucket, its manifest last; credentials come from the environment, see docs/remote.md."""
    from . import upload as command  # noqa: PLC0415

    command.run(dataset, address)
