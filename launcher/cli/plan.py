"""`lmmtc plan`: what a run would take on a cluster, or what this machine achieves, written as a cluster's file."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from .options import AsJson

if TYPE_CHECKING:
    from trainer.config import Config
    from trainer.estimate import Corpus

Known = Mapping[str, float | None]


def plan(
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
    as_json: AsJson = False,
) -> None:
    """Predict memory, time and cost of a run on a cluster, and what would make it fit; exit code 78 if it does not."""
    from trainer.config import load_config
    from trainer.errors import ConfigError
    from trainer.estimate import EncoderShape, Plan, load_cluster

    from ..exit_codes import ExitCode
    from .plan_report import summary, tables

    settings = load_config(config, overrides or [])
    known = {"labels": labels, "records": records, "positives": positives, "tokens": tokens}
    corpus = _corpus_of(settings, known)
    if calibrate is not None:
        _calibrate(settings, corpus, calibrate)
        return
    if cluster is None:
        raise ConfigError("lmmtc plan: give --cluster FILE; examples/clusters has some, and --calibrate writes one")
    foreseen = Plan.of(settings, EncoderShape.of(settings.model), corpus, load_cluster(cluster))
    if as_json:
        typer.echo(json.dumps(summary(foreseen), indent=1))
    else:
        Console().print(*tables(foreseen), sep="\n")
    sys.exit(ExitCode.DONE if foreseen.fits else ExitCode.CONFIGURATION)


def _corpus_of(config: "Config", known: Known) -> "Corpus":
    """Take what is known, and the rest from the data set; ConfigError when that is not here."""
    from trainer.estimate import Corpus

    found = dict(known) if None not in known.values() else _counted(config, known) | _given(known)
    return Corpus(
        labels=int(found["labels"] or 0),
        records=int(found["records"] or 0),
        positives=float(found["positives"] or 0),
        tokens=int(found["tokens"] or 0),
    )


def _calibrate(config: "Config", corpus: "Corpus", out: Path) -> None:
    """Measure as a rank that trains, alone or among others; the first writes."""
    from ..cluster import choose_accelerator, placement

    place = placement(os.environ)
    os.environ.update(place.variables())
    choose_accelerator(os.environ)
    from trainer.calibration.calibration import calibrate, write_cluster
    from trainer.distributed import abort, join, leave  # read the environment that was set above
    from trainer.engine import prepare_ops

    prepare_ops()
    ranks = join(place.local_rank, place.on_node)
    try:
        cluster = calibrate(config, corpus, ranks)
        if ranks.is_first:
            write_cluster(cluster, out)
    except BaseException:
        abort()
        raise
    leave()


def _given(known: Known) -> dict[str, float]:
    return {name: value for name, value in known.items() if value is not None}


def _counted(config: "Config", known: Known) -> dict[str, float]:
    from sharding import TRAIN, Dataset
    from trainer.errors import ConfigError

    missing = ", ".join(f"--{name}" for name, value in known.items() if value is None)
    if not (Path(config.data.dataset) / "manifest.json").is_file():
        raise ConfigError(f"data.dataset = {config.data.dataset}: is not a data set on this machine: give {missing}")
    dataset = Dataset.open(config.data.dataset)
    records = dataset.split(TRAIN).num_records
    tokenizer = dataset.manifest.tokenizer
    return {
        "labels": len(dataset.vocabulary),
        "records": records,
        "positives": float(dataset.vocabulary.counts.sum()) / max(records, 1),
        "tokens": dataset.manifest.max_tokens + len(tokenizer.prefix) + len(tokenizer.suffix),
    }
