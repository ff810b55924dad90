"""The command `lmmtc`: what each subcommand is for and what it takes; the work is imported when it is asked for."""

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from .answer_cli import app as answers
from .data_cli import app as data
from .identity import EXIT_CODE, check_identity

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
app.add_typer(data)
app.add_typer(answers)
checkpoint = typer.Typer(help="Look at what a run has saved.", no_args_is_help=True)
app.add_typer(checkpoint, name="checkpoint")

_USAGE = 2  # what typer ends with while it handles an error of its own: the words of the command line are wrong

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
    _choose_accelerator()
    from .commands import evaluate as command  # noqa: PLC0415

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
        prior_weight=prior_weight,
        tuned=not untuned,
        drop_surplus=drop_surplus,
    )


@app.command()
def export(
    run: RunArgument,
    out: Annotated[Path, typer.Argument(help="Folder to write: new, or empty.")],
    step: Annotated[int | None, typer.Option(help="Step of the checkpoint; default: the newest.")] = None,
) -> None:
    """Write a run as a folder that transformers opens, with its labels, its heads and a README."""
    _choose_accelerator()
    from .commands import export as command  # noqa: PLC0415

    command.run(run, out, step)


@checkpoint.command("list")
def list_checkpoints(run: RunArgument) -> None:
    """Show what a run has saved: steps, times, ranks, how far in the data, sizes."""
    _choose_accelerator()
    from .commands import checkpoint as command  # noqa: PLC0415

    command.show(run)


@checkpoint.command("verify")
def verify_checkpoints(run: RunArgument) -> None:
    """Compare every file of every checkpoint with its checksum."""
    _choose_accelerator()
    from .commands import checkpoint as command  # noqa: PLC0415

    command.verify(run)


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
def launch(
    arguments: Annotated[
        list[str], typer.Argument(help="Behind --: what each rank gets, --config run.toml [--set SECTION.KEY=VALUE].")
    ],
    nproc: Annotated[int, typer.Option(min=1, help="Ranks on this machine: one for each GPU.")] = 1,
    restarts: Annotated[
        int, typer.Option(min=0, help="Start failed ranks again, at most so often in a row without a newly saved step.")
    ] = 0,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds to finish a step and to save it once a stop was asked for.")
    ] = 120,
) -> None:
    """Train on this machine and see to every end: hands signals on, ends with 0, 75, 78 or a fault; docs/faults.md."""
    from .commands import launch as command  # noqa: PLC0415

    sys.exit(command.run(arguments, nproc, restarts, grace))


@app.command()
def setup() -> None:
    """Build DeepSpeed's native op once, before the first run; removes the lock of a build that was killed."""
    _choose_accelerator()
    from .commands import setup as command  # noqa: PLC0415

    command.run()


@app.command()
def doctor(
    config: Annotated[Path | None, typer.Option(help="TOML file of a run: look at all that it names, too.")] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override one of its settings, SECTION.KEY=VALUE; may be repeated."),
    ] = None,
    folder: Annotated[
        list[Path] | None, typer.Option(help="Look at the disk of this folder, beside TMPDIR's; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,  # noqa: FBT002
) -> None:
    """Look at this machine before a long run: packages, accelerators, memory, ports, disks; exit code 78 if not fit."""
    from .commands import doctor as command  # noqa: PLC0415

    sys.exit(command.run(config, overrides or [], folder or [], as_json=as_json))


@app.command()
def plan(  # noqa: PLR0917  # typer reads the options from here
    config: Annotated[Path, typer.Option(help="TOML file of the run.")],
    cluster: Annotated[
        Path | None, typer.Option(help="TOML file of the cluster, such as examples/clusters/h100-8.toml.")
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(help="Measure this machine with the run's encoder instead, and write it as such a file."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override one of the run's settings, SECTION.KEY=VALUE; may be repeated."),
    ] = None,
    labels: Annotated[
        int | None, typer.Option(min=1, help="Labels; default, as for the next three: what the data set has.")
    ] = None,
    records: Annotated[int | None, typer.Option(min=1, help="Training records.")] = None,
    positives: Annotated[float | None, typer.Option(min=0, help="Labels of a record, on average.")] = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="Tokens of a long text, special ones counted.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,  # noqa: FBT002
) -> None:
    """Predict memory, time and cost of a run on a cluster, and what would make it fit; exit code 78 if it does not."""
    from .commands import plan as command  # noqa: PLC0415

    known = {"labels": labels, "records": records, "positives": positives, "tokens": tokens}
    sys.exit(command.run(config, overrides or [], known, cluster, calibrate, as_json=as_json))


def _choose_accelerator() -> None:
    """Settle what deepspeed reads when it is imported, which transformers does too."""
    from .environment import choose_accelerator  # noqa: PLC0415

    choose_accelerator(os.environ)


def main() -> None:
    """Run the command line; an error that is ours, or of its words, is one message and one exit code."""
    if sys.argv[1:2] != ["doctor"]:  # which says so among all else
        check_identity()
    try:
        app()
    except SystemExit as end:
        if getattr(end.__context__, "exit_code", None) == _USAGE:
            sys.exit(EXIT_CODE)
        raise
    except Exception as error:
        from sharding import LmmtcError  # noqa: PLC0415  # a doctor must not need it: it may be broken, or foreign

        from .exit_codes import report  # noqa: PLC0415

        if not isinstance(error, LmmtcError):
            raise
        sys.exit(report(error))
