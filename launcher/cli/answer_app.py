"""Subcommands of a trained run that answers: index, tune, evaluate, predict; what they are for and what they take."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer()

RunArgument = Annotated[Path, typer.Argument(help="Folder of a trained run (run.folder in its configuration).")]
Batch = Annotated[int, typer.Option(min=1, help="Records at a time.")]
Refine = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Passes after the first: the model is shown its surest labels and ranks the others again; default: as "
        "`lmmtc tune` has chosen.",
    ),
]
DropSurplus = Annotated[
    bool, typer.Option("--drop-surplus", help="Of more given labels than the run reads, use the first.")
]
Untuned = Annotated[bool, typer.Option("--untuned", help="Answer without what `lmmtc tune` has chosen.")]
PriorWeight = Annotated[
    float,
    typer.Option(
        help="How many times a label's bias counts, which began at the log-odds of its frequency: above 1 frequent "
        "labels come forward, below 1 rare ones."
    ),
]
LosePsp = Annotated[
    bool, typer.Option("--lose-psp", help="Let PSP@k fall where P@k gains: labels of the head then gain most.")
]


@app.command()
def index(
    run: RunArgument,
    records: Annotated[
        int | None,
        typer.Option(min=1, help="Most records that are remembered; default: neighbours.records, if set, else all."),
    ] = None,
    dataset: Annotated[Path | None, typer.Option(help="Data set; default: the one that was trained on.")] = None,
    add: Annotated[
        Path | None,
        typer.Option(help="Instead of building: JSON lines with id, text and labels that the index learns as well."),
    ] = None,
    remove: Annotated[
        Path | None, typer.Option(help="Instead of building: file of record ids, one a line, that are to be forgotten.")
    ] = None,
) -> None:
    """Build a run's neighbour index, RUN/neighbours, or change it: nearest training records vote for their labels."""
    from ..cluster import choose_accelerator  # noqa: PLC0415  # the work is imported when it is asked for

    choose_accelerator(os.environ)
    from . import index as command  # noqa: PLC0415

    command.run(run, records, dataset, add, remove)


@app.command()
def tune(
    run: RunArgument,
    dataset: Annotated[Path | None, typer.Option(help="Data set; default: the one that was trained on.")] = None,
    records: Annotated[int | None, typer.Option(min=1, help="Only the first so many dev records.")] = None,
    refine: Annotated[int, typer.Option(min=0, help="Most passes of refinement that are tried, against none.")] = 2,
    lose_psp: LosePsp = False,  # noqa: FBT002
    batch: Annotated[int, typer.Option(min=1, help="Records at a time.")] = 64,
) -> None:
    """Choose on dev how a trained run answers: refinement, and the weights of its channels; writes RUN/tuned.json."""
    from ..cluster import choose_accelerator  # noqa: PLC0415  # the work is imported when it is asked for

    choose_accelerator(os.environ)
    from . import tune as command  # noqa: PLC0415

    command.run(run, dataset, records, refine=refine, batch=batch, keep_psp=not lose_psp)


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
    depth: Annotated[
        int | None, typer.Option(min=5, help="Labels ranked of each record; default: cloze.shortlist.")
    ] = None,
    given: Annotated[
        int,
        typer.Option(
            min=0, max=2, help="Also judge what 1, or 1 and 2, of two drawn labels of a record tell of the rest."
        ),
    ] = 0,
    refine: Refine = None,
    prior_weight: PriorWeight = 1,
    untuned: Untuned = False,  # noqa: FBT002
    batch: Batch = 32,
) -> None:
    """Measure a run: P, R, nDCG, PSP at k, recall, F1, the long tail, given labels; writes RUN/evaluation.json."""
    from ..cluster import choose_accelerator  # noqa: PLC0415  # the work is imported when it is asked for

    choose_accelerator(os.environ)
    from . import evaluate as command  # noqa: PLC0415

    command.run(
        run,
        dataset,
        split,
        records,
        refine=refine,
        batch=batch,
        prior_weight=prior_weight,
        labels=labels,
        label_filter=label_filter,
        depth=depth,
        given=given,
        tuned=not untuned,
    )


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
    drop_surplus: DropSurplus = False,  # noqa: FBT002
    refine: Refine = None,
    prior_weight: PriorWeight = 1,
    untuned: Untuned = False,  # noqa: FBT002
    batch: Batch = 32,
) -> None:
    """Name the most likely labels of texts typed by hand (--text) or of a file (--input, --output)."""
    from ..cluster import choose_accelerator  # noqa: PLC0415  # the work is imported when it is asked for

    choose_accelerator(os.environ)
    from . import predict as command  # noqa: PLC0415

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
        prior_weight=prior_weight,
        tuned=not untuned,
        drop_surplus=drop_surplus,
    )
