"""`lmmtc export`: a trained run as a folder that transformers opens."""

from pathlib import Path
from typing import Annotated

import typer

from .options import RunArgument, on_accelerator


@on_accelerator
def export(
    run: RunArgument,
    out: Annotated[Path, typer.Argument(help="Folder to write: new, or empty.")],
    step: Annotated[int | None, typer.Option(help="Step of the checkpoint; default: the newest.")] = None,
) -> None:
    """Write a run as a folder that transformers opens, with its labels, its heads and a README."""
    from trainer.inference.export import export as write
    from trainer.inference.loading import TrainedModel
    from trainer.run.folder import RunFolder

    from .process_group import check_alone

    check_alone("export")
    model = TrainedModel.load(run, step=step)
    write(model, RunFolder(run), out)
    typer.echo(f"{out}: step {model.step}, {len(model.vocabulary):,} labels; its README.md says how to use it")
