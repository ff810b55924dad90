"""`lmmtc data upload`: a data set goes to where many machines can read it."""

from typing import Annotated

import typer

from ..terminal.progress import rounds
from .options import DatasetArgument


def upload(
    dataset: DatasetArgument,
    address: Annotated[str, typer.Argument(help="s3://BUCKET/PREFIX, as in data.dataset.")],
) -> None:
    """Copy a data set to a bucket, its manifest last; credentials come from the environment, see docs/remote.md."""
    from sharding import remote

    with rounds() as show:
        manifest = remote.upload(dataset, address, show)
    typer.echo(f"{address}: {manifest.dataset_id}")
