"""The command `lmmtc`: what each subcommand is for and what it takes; the work is imported when it is asked for."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..identity import EXIT_CODE, check_identity
from .answer_app import app as answers
from .data_app import app as data

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


@app.command()
def export(
    run: RunArgument,
    out: Annotated[Path, typer.Argument(help="Folder to write: new, or empty.")],
    step: Annotated[int | None, typer.Option(help="Step of the checkpoint; default: the newest.")] = None,
) -> None:
    """Write a run as a folder that transformers opens, with its labels, its heads and a README."""
    _choose_accelerator()
    from . import export as command  # noqa: PLC0415

    command.run(run, out, step)


@checkpoint.command("list")
def list_checkpoints(run: RunArgument) -> None:
    """Show what a run has saved: steps, times, ranks, how far in the data, sizes."""
    _choose_accelerator()
    from . import checkpoint as command  # noqa: PLC0415

    command.show(run)


@checkpoint.command("verify")
def verify_checkpoints(run: RunArgument) -> None:
    """Compare every file of every checkpoint with its checksum."""
    _choose_accelerator()
    from . import checkpoint as command  # noqa: PLC0415

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
    from . import extend as command  # noqa: PLC0415

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
    from trainer.config import load_config  # noqa: PLC0415

    from ..run import parse  # noqa: PLC0415
    from ..supervise.launch import launch as command  # noqa: PLC0415

    options = parse(arguments)
    sys.exit(command(arguments, load_config(options.config, options.set), nproc, restarts, grace))


@app.command()
def setup() -> None:
    """Build DeepSpeed's native op once, before the first run; removes the lock of a build that was killed."""
    _choose_accelerator()
    from . import setup as command  # noqa: PLC0415

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
    from . import doctor as command  # noqa: PLC0415

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
    from . import plan as command  # noqa: PLC0415

    known = {"labels": labels, "records": records, "positives": positives, "tokens": tokens}
    sys.exit(command.run(config, overrides or [], known, cluster, calibrate, as_json=as_json))


def _choose_accelerator() -> None:
    """Settle what deepspeed reads when it is imported, which transformers does too."""
    from ..cluster import choose_accelerator  # noqa: PLC0415

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

        from ..exit_codes import report  # noqa: PLC0415

        if not isinstance(error, LmmtcError):
            raise
        sys.exit(report(error))
