"""The command `lmmtc`: which subcommands there are, and how it ends; what they take and do is a module each."""

import sys

import typer

from ..identity import EXIT_CODE, check_identity
from .checkpoint import checkpoint
from .doctor import doctor
from .evaluate import evaluate
from .export import export
from .extend import extend
from .index import index
from .inspect import inspect
from .merge import merge
from .plan import plan
from .predict import predict
from .setup import setup
from .shard import shard
from .simulate import simulate
from .train import launch
from .tune import tune
from .upload import upload
from .verify import verify

_USAGE = 2  # what typer ends with while it handles an error of its own: the words of the command line are wrong

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
for _command in (
    *(shard, verify, inspect, merge, simulate, upload),
    *(index, tune, evaluate, predict, export, extend),
    *(launch, setup, doctor, plan),
):
    app.command()(_command)
app.add_typer(checkpoint, name="checkpoint")


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
        from sharding import LmmtcError  # a doctor must not need it: it may be broken, or foreign

        from ..exit_codes import report

        if not isinstance(error, LmmtcError):
            raise
        sys.exit(report(error))
