"""`lmmtc serve`: a trained run that answers over HTTP, and the page on which people label with it."""

import os
from pathlib import Path
from typing import Annotated

import typer

from .options import PriorWeight, Refine, RunArgument, Untuned, on_accelerator


@on_accelerator
def serve(
    run: RunArgument,
    host: Annotated[str, typer.Option(help="Address to listen on; the default is reached from this machine alone.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")] = 8000,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="A further name by which clients call a server on 127.0.0.1, as behind a proxy; may be repeated."
        ),
    ] = None,
    queue: Annotated[
        Path | None,
        typer.Option(help="JSON lines with id and text: what people label on the page, one after the other."),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(
            help="JSON lines to which the page's answers are appended, for `lmmtc data shard`; default with --queue: "
            "QUEUE.answers.jsonl beside it."
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Take new checkpoints of the run as they come, without a restart.")
    ] = False,
    batch: Annotated[int, typer.Option(min=1, help="Texts that the model answers at once, at most.")] = 32,
    wait_ms: Annotated[
        float, typer.Option(min=0, help="Milliseconds that a text waits for others, while the model is idle.")
    ] = 3,
    waiting: Annotated[
        int, typer.Option(min=1, help="Texts that may wait; further requests are told to come back.")
    ] = 512,
    cache_mib: Annotated[
        float, typer.Option(min=0, help="Memory in MiB for what is kept of texts, for the next question about each.")
    ] = 256,
    body_mib: Annotated[float, typer.Option(min=0.001, help="Size of a request in MiB, at most.")] = 4,
    quiet: Annotated[bool, typer.Option("--quiet", help="Write no line for each request.")] = False,
    refine: Refine = None,
    prior_weight: PriorWeight = 1,
    untuned: Untuned = False,
) -> None:
    """Answer over HTTP, and show a page to label with. A token is asked for where LMMTC_SERVE_TOKEN is set."""
    from trainer.errors import ConfigError

    try:
        from ..serving import ServeSettings
        from ..serving import serve as start
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise ConfigError(f"lmmtc serve: {error.name} is not installed: pip install 'lmmtc[serve]'") from None
    from ..serving.batching import Batching
    from ..serving.questions import Limits
    from ..serving.served import How
    from ..serving.server import TOKEN

    token = os.environ.get(TOKEN)
    if token is not None and not token.strip():
        raise ConfigError(f"{TOKEN} is empty: unset it to ask for no token, or put one into it")
    start(
        ServeSettings(
            run=Path(run),
            host=host,
            port=port,
            allowed_hosts=tuple(allow_host or ()),
            token=token and token.strip(),
            how=How(refine, prior_weight, untuned, int(cache_mib * 2**20)),
            limits=Limits(body_bytes=int(body_mib * 2**20)),
            batching=Batching(batch, waiting, wait_ms / 1000),
            queue=queue,
            answers=answers,
            follow_seconds=5 if follow else None,
            log=not quiet,
        )
    )
