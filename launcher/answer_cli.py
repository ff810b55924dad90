"""Subcommands between training and answers, `lmmtc index` and `lmmtc tune`: what they are for and what they take."""

import os
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

LosePsp = Annotated[
    bool, typer.Option("--lose-psp", help="Let PSP@k fall where P@k gains: labels of the head then gain most.")
]


@app.command()
def index(
    run: Annotated[Path, typer.Argument(help="Folder of a trained run (run.folder in its configuration).")],
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
    from .environment import choose_accelerator  # noqa: PLC0415  # the work is imported when it is asked for

    choose_accelerator(os.environ)
    from .commands import index as command  # noqa: PLC0415

    command.run(run, records, dataset, add, remove)


@app.command()
def tune(
    run: Annotated[Path, typer.Argument(help="Folder of a trained run (run.folder in its configuration).")],
    dataset: Annotated[Path | None, typer.Option(help="Data set; default: the one that was trained on.")] = None,
    records: Annotated[int | None, typer.Option(min=1, help="Only the first so many dev records.")] = None,
    refine: Annotated[int, typer.Option(min=0, help="Passes of refinement that are tried, against none.")] = 1,
    lose_psp: LosePsp = False,  # noqa: FBT002
    batch: Annotated[int, typer.Option(min=1, help="Records at a time.")] = 64,
) -> None:
    """Choose on dev how a trained run answers: refinement, and the weights of its channels; writes RUN/tuned.json."""
    from .environment import choose_accelerator  # noqa: PLC0415  # the work is imported when it is asked for

    choose_accelerator(os.environ)
    from .commands import tune as command  # noqa: PLC0415

    command.run(run, dataset, records, refine=refine, batch=batch, keep_psp=not lose_psp)
