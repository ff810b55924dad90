"""The command `lmmtc`: what each subcommand is for and what it takes; the work is imported when it is asked for."""

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from .identity import check_identity

app = typer.Typer(
    name="lmmtc",
    help="Train label-mask multi-label text classifiers on label spaces of thousands to millions of labels.\n\n"
    "In this order: [bold]lmmtc shard[/bold] a corpus; train with [bold]deepspeed launcher/run.py --config "
    "run.toml[/bold] (installed from a wheel: deepspeed --module launcher.run); [bold]lmmtc evaluate[/bold]; "
    "[bold]lmmtc predict[/bold].",
    rich_markup_mode="rich",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

RunArgument = Annotated[Path, typer.Argument(help="Folder of a trained run (run.folder in its configuration).")]
Batch = Annotated[int, typer.Option(min=1, help="Records at a time.")]
Refine = Annotated[
    int,
    typer.Option(
        min=0, help="Passes after the first: the model is shown its surest labels and scores the others again."
    ),
]


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
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: one for each core.")] = None,
    memory: Annotated[int, typer.Option(min=1, help="MiB of records and counts that all workers together hold.")] = 512,
    dask: Annotated[
        str | None, typer.Option(help="Scheduler of a Dask cluster that sees the same files, tcp://HOST:PORT.")
    ] = None,
) -> None:
    """Turn a corpus into shards with a manifest, tokenised and shuffled; started again, it goes on where it stopped."""
    from sharding import SourceSettings  # noqa: PLC0415

    from .commands import shard as command  # noqa: PLC0415

    command.run(
        source,
        out,
        tokenizer,
        settings=SourceSettings(
            kind, id_field, text_field, labels_field, split_field, label_separator, split, feature_names
        ),
        label_texts=label_texts,
        vocabulary=vocabulary,
        max_tokens=max_tokens,
        shard_rows=shard_rows,
        seed=seed,
        on_bad_record=on_bad_record,
        kinds=("arrow", "webdataset") if shard_format == "both" else (shard_format,),
        workers=workers or os.cpu_count() or 1,
        memory_mib=memory,
        dask=dask,
    )


@app.command()
def verify(dataset: Annotated[Path, typer.Argument(help="Folder that `lmmtc shard` has written.")]) -> None:
    """Check a data set to the last byte: checksums, counts, label and token ids."""
    from .commands import verify as command  # noqa: PLC0415

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
    from .commands import inspect as command  # noqa: PLC0415

    command.run(dataset, split, shard, rows)


@app.command()
def merge(
    dataset: Annotated[Path, typer.Argument(help="Published data set that grows.")],
    others: Annotated[list[Path], typer.Argument(help="Data sets that were converted with its --vocabulary.")],
) -> None:
    """Append the shards of other data sets to a published one, without rewriting any."""
    from .commands import merge as command  # noqa: PLC0415

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

    from .commands import simulate as command  # noqa: PLC0415

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
def evaluate(  # noqa: PLR0917  # typer reads the options from here
    run: RunArgument,
    dataset: Annotated[Path | None, typer.Option(help="Data set; default: the one that was trained on.")] = None,
    split: Annotated[str, typer.Option(help="Records to judge by.")] = "test",
    records: Annotated[int | None, typer.Option(min=1, help="Only the first so many of each split.")] = None,
    labels: Annotated[
        Literal["all", "seen"],
        typer.Option(help="Judge by all labels, or as if there were only those with a training record."),
    ] = "all",
    label_filter: Annotated[
        Path | None,
        typer.Option(
            "--filter",
            help="TSV file (may be .gz): record id, tab, label: pairs that are neither predicted nor true; "
            "default: what the source of the data set named.",
        ),
    ] = None,
    refine: Refine = 0,
    batch: Batch = 32,
) -> None:
    """Measure a run: P, R, nDCG, PSP at k, recall of the shortlist, F1, the long tail; writes RUN/evaluation.json."""
    _choose_accelerator()
    from .commands import evaluate as command  # noqa: PLC0415

    command.run(run, dataset, split, records, refine=refine, batch=batch, labels=labels, label_filter=label_filter)


@app.command()
def predict(  # noqa: PLR0917  # typer reads the options from here
    run: RunArgument,
    text: Annotated[list[str] | None, typer.Option(help="A text to label; may be repeated.")] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            help="A label known beforehand, 'LABEL=yes' or 'LABEL=no': helps to find the others of every --text; "
            "may be repeated."
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help='JSON lines with id, text and, for each its own, maybe "given": {"LABEL": true, "OTHER": false}.',
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Parquet file for the labels of --input.")] = None,
    label_filter: Annotated[
        Path | None,
        typer.Option(
            "--filter", help="TSV file (may be .gz): record id of --input, tab, label: pairs that are not predicted."
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Labels for each text.")] = 5,
    refine: Refine = 0,
    batch: Batch = 32,
) -> None:
    """Name the most likely labels of texts typed by hand (--text) or of a file (--input, --output)."""
    _choose_accelerator()
    from .commands import predict as command  # noqa: PLC0415

    command.run(
        run,
        text or [],
        source,
        output,
        given=given or [],
        label_filter=label_filter,
        top=top,
        refine=refine,
        batch=batch,
    )


@app.command()
def export(
    run: RunArgument,
    out: Annotated[Path, typer.Argument(help="Folder to write: new, or empty.")],
) -> None:
    """Write a run as a folder that transformers opens, with its labels, its heads and a README."""
    _choose_accelerator()
    from .commands import export as command  # noqa: PLC0415

    command.run(run, out)


@app.command()
def extend(
    run: RunArgument,
    labels: Annotated[Path, typer.Argument(help="TSV file (may be .gz): label, tab, what it means.")],
    out: Annotated[Path, typer.Argument(help="Folder for the run with more labels: new, or empty.")],
    encoder: Annotated[
        Path | None,
        typer.Option(help="Folder of the encoder that training began with, if it is not where it was then."),
    ] = None,
) -> None:
    """Add labels to a run without training it: each is found by what its text says."""
    _choose_accelerator()
    from .commands import extend as command  # noqa: PLC0415

    command.run(run, labels, out, encoder)


@app.command()
def setup() -> None:
    """Build DeepSpeed's native op once, before the first run; removes the lock of a build that was killed."""
    _choose_accelerator()
    from .commands import setup as command  # noqa: PLC0415

    command.run()


def _choose_accelerator() -> None:
    """Settle what deepspeed reads when it is imported, which transformers does too."""
    from .environment import choose_accelerator  # noqa: PLC0415

    choose_accelerator(os.environ)


def main() -> None:
    """Run the command line; an error that is ours is one message and one exit code."""
    check_identity()
    from sharding import LmmtcError  # noqa: PLC0415  # only now is it known to be ours

    from .exit_codes import report  # noqa: PLC0415

    try:
        app()
    except LmmtcError as error:
        sys.exit(report(error))
