"""The command `lmmtc`: which subcommands there are, and how it ends; what they take and do is a module each."""

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from ..identity import EXIT_CODE, check_identity
from .checkpoint import checkpoint
from .doctor import doctor
from .evaluate import evaluate
from .export import export
from .extend import extend
from .index import index
from .inspect import inspect
from .merge import merge
from .options import EachOnce
from .plan import plan
from .predict import predict
from .serve import serve
from .setup import setup
from .shard import shard
from .simulate import simulate
from .train import train
from .tune import tune
from .upload import upload
from .verify import verify

_USAGE = 2  # what typer ends with while it handles an error of its own: the words of the command line are wrong


class _DataFirst(TyperGroup):
    """Lists the commands in the order in which a user needs them; typer lists groups last."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Put `data` in front."""
        return sorted(super().list_commands(ctx), key=lambda name: name != "data")


app = typer.Typer(
    name="lmmtc",
    cls=_DataFirst,
    help="Train label-mask multi-label text classifiers on label spaces of thousands to millions of labels.\n\n"
    "In this order: [bold]lmmtc data shard[/bold] a corpus; [bold]lmmtc train --config run.toml[/bold], or "
    "deepspeed launcher/run.py --config run.toml (installed from a wheel: deepspeed --module launcher.run); "
    "[bold]lmmtc evaluate[/bold]; [bold]lmmtc predict[/bold].",
    rich_markup_mode="rich",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data = typer.Typer(
    help="Make data sets and look at them: shard, verify, inspect, merge, upload, simulate.", no_args_is_help=True
)
app.add_typer(data, name="data", rich_help_panel="Data")
app.add_typer(checkpoint, name="checkpoint", rich_help_panel="Train")
_FORWARDS: dict[str, Any] = {"ignore_unknown_options": True}  # what train does not know is for the ranks
app.command(rich_help_panel="Train", context_settings=_FORWARDS)(train)
app.command("launch", hidden=True, context_settings=_FORWARDS)(train)  # as it was called before
for _panel, _commands in {
    "Use": (tune, evaluate, predict, serve, index, export, extend),
    "Operate": (plan, doctor, setup),
}.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel, cls=EachOnce)(_command)
for _command in (shard, verify, inspect, merge, upload, simulate):
    data.command(cls=EachOnce)(_command)
    app.command(hidden=True, cls=EachOnce)(_command)  # as it was called before there was `lmmtc data`


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
