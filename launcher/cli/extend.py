"""`lmmtc extend`: a trained run with further labels, without training."""

from pathlib import Path
from typing import Annotated

import typer

from ..terminal.progress import counting
from .options import RunArgument, on_accelerator


@on_accelerator
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
    from sharding import read_new_labels
    from trainer.inference.extend import extend as add_labels
    from trainer.run.folder import RunFolder

    from .process_group import check_alone

    check_alone("extend")
    texts = read_new_labels(labels)
    with counting("encoding texts of labels", len(texts)) as show:
        found = add_labels(RunFolder(run), texts, out, encoder, show)
    rows = f"rows from texts: {found.from_texts:,}, random: {len(texts) - found.from_texts:,}"
    typer.echo(f"{out}: {len(texts):,} labels added to {found.before:,}; {rows}")
