"""Arguments and options that several commands take, each written once, and what a command with torch does first."""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

P = ParamSpec("P")

RunArgument = Annotated[Path, typer.Argument(help="Folder of a trained run (run.folder in its configuration).")]
DatasetArgument = Annotated[Path, typer.Argument(help="Folder that `lmmtc data shard` has written.")]
DatasetOption = Annotated[Path | None, typer.Option(help="Data set; default: the one that was trained on.")]
Batch = Annotated[int, typer.Option(min=1, help="Records at a time.")]
Refine = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Passes after the first: the model is shown its surest labels and ranks the others again; default: as "
        "`lmmtc tune` has chosen.",
    ),
]
Untuned = Annotated[bool, typer.Option("--untuned", help="Answer without what `lmmtc tune` has chosen.")]
PriorWeight = Annotated[
    float,
    typer.Option(
        help="How many times a label's bias counts, which began at the log-odds of its frequency: above 1 frequent "
        "labels come forward, below 1 rare ones."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


def on_accelerator(command: Callable[P, None]) -> Callable[P, None]:
    """Settle which accelerator DeepSpeed uses before the command imports it, which transformers does too."""

    @wraps(command)
    def prepared(*args: P.args, **kwargs: P.kwargs) -> None:
        from ..cluster import choose_accelerator

        choose_accelerator(os.environ)
        command(*args, **kwargs)

    return prepared
