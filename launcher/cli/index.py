"""`lmmtc index`: the neighbour index of a run is built, or records come into it and leave it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..terminal.progress import counting
from .options import DatasetOption, RunArgument, on_accelerator

if TYPE_CHECKING:
    from trainer.config import Config, NeighboursSection
    from trainer.neighbours import IndexMeta
    from trainer.run.folder import RunFolder


@on_accelerator
def index(
    run: RunArgument,
    records: Annotated[
        int | None,
        typer.Option(min=1, help="Most records that are remembered; default: neighbours.records, if set, else all."),
    ] = None,
    dataset: DatasetOption = None,
    add: Annotated[
        Path | None,
        typer.Option(help="Instead of building: JSON lines with id, text and labels that the index learns as well."),
    ] = None,
    remove: Annotated[
        Path | None, typer.Option(help="Instead of building: file of record ids, one a line, that are to be forgotten.")
    ] = None,
) -> None:
    """Build a run's neighbour index, RUN/neighbours, or change it: nearest training records vote for their labels."""
    from trainer.errors import ConfigError
    from trainer.run.folder import RunFolder

    if add and remove:
        raise ConfigError("lmmtc index: give --add or --remove, one at a time")
    if (add or remove) and (records or dataset):
        raise ConfigError(
            "lmmtc index: --records and --dataset say what an index is built of; --add and --remove change one that "
            "is there: give either"
        )
    folder = RunFolder(run)
    if add:
        _add(folder, add)
    elif remove:
        _remove(folder, remove)
    else:
        _build(folder, records, dataset)


def _build(folder: "RunFolder", records: int | None, dataset_path: Path | None) -> None:
    from sharding import Dataset
    from trainer.data import open_dataset
    from trainer.inference.loading import TrainedModel
    from trainer.neighbours import build_index

    from ..terminal.outputs import check_output
    from .process_group import process_group

    with process_group() as ranks:
        model = TrainedModel.load(folder.path, ranks=ranks)
        if ranks.is_first:
            check_output(folder.path / ".neighbours", f"{folder.neighbours}, where the index is written")
        dataset = Dataset.open(dataset_path) if dataset_path else open_dataset(model.config.data)
        settings = _settings(model.config, records)
        with counting("encoding training records", shown=ranks.is_first) as show:
            meta = build_index(model, dataset, settings, folder.neighbours, ranks, show)
    if ranks.is_first:
        _say(folder, meta, "")


def _add(folder: "RunFolder", source: Path) -> None:
    from sharding import read_records
    from trainer.inference.loading import TrainedModel
    from trainer.neighbours import IndexMeta, add_records

    from .process_group import check_alone

    check_alone("index --add")
    IndexMeta.read(folder.neighbours)  # before a model is loaded
    change = add_records(folder.neighbours, TrainedModel.load(folder.path), read_records(source))
    _say(
        folder,
        IndexMeta.read(folder.neighbours),
        f"{change.added:,} records added, {change.replaced:,} of them in place of older ones; ",
    )


def _remove(folder: "RunFolder", source: Path) -> None:
    from sharding import DataError
    from trainer.neighbours import IndexMeta, remove_records

    from .process_group import check_alone

    check_alone("index --remove")
    ids = list(dict.fromkeys(_ids(source)))
    if not ids:
        raise DataError(f"{source}: holds no record id")
    change = remove_records(folder.neighbours, ids)
    _say(folder, IndexMeta.read(folder.neighbours), f"{change.removed:,} records removed; ")


def _settings(config: "Config", records: int | None) -> "NeighboursSection":
    return config.neighbours if records is None else config.neighbours.model_copy(update={"records": records})


def _ids(source: Path) -> Iterator[str]:
    from sharding import DataError
    from sharding.sources import read_lines

    for where, line in read_lines(source):
        try:
            yield line.decode()
        except UnicodeDecodeError:
            raise DataError(f"{where}: {line[:60]!r}: must be a record id, in UTF-8") from None


def _say(folder: "RunFolder", meta: "IndexMeta", what: str) -> None:
    from trainer.neighbours import IndexFolder

    size, kinds = IndexFolder(folder.neighbours).num_bytes(), " and ".join(meta.keys)
    each = f", {size / meta.records:,.0f} a record" if meta.records else ""
    typer.echo(f"{folder.neighbours}: {what}{meta.records:,} records with {kinds} keys, {size:,} bytes{each}")
