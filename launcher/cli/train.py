"""`lmmtc train`: the ranks of this machine, started, watched and, where that leads on, started again."""

import sys
from typing import Annotated

import typer


def train(
    arguments: Annotated[
        list[str], typer.Argument(help="What each rank gets: --config run.toml [--set SECTION.KEY=VALUE ...].")
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
    from trainer.config import load_config

    from ..run import parse
    from ..supervise.launch import launch

    options = parse(arguments)
    sys.exit(launch(arguments, load_config(options.config, options.set), nproc, restarts, grace))
