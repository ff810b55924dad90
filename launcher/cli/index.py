"""`lmmtc index`: the neighbour index of a run is built, or records come into it and leave it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from sharding import DataError, Dataset, read_records
from sharding.sources import read_lines
from trainer.config import Config, NeighboursSection
from trainer.data import open_dataset
from trainer.errors import ConfigError
from trainer.neighbours import IndexFolder, IndexMeta, add_records, build_index, remove_records
from trainer.run_folder import RunFolder
from trainer.trained import TrainedModel

from ..terminal.outputs import check_output
from .process_group import check_alone, met


def run(path: Path, records: int | None, dataset: Path | None, add: Path | None, remove: Path | None) -> None:
    """Build on any number of ranks, or add or remove on one; say how many records there are and what they take."""
    if add and remove:
        raise ConfigError("lmmtc index: give --add or --remove, one at a time")
    if (add or remove) and (records or dataset):
        raise ConfigError(
            "lmmtc index: --records and --dataset say what an index is built of; --add and --remove change one that "
            "is there: give either"
        )
    folder = RunFolder(path)
    if add:
        _add(folder, add)
    elif remove:
        _remove(folder, remove)
    else:
        _build(folder, records, dataset)


def _build(folder: RunFolder, records: int | None, dataset_path: Path | None) -> None:
    with met() as ranks:
        model = TrainedModel.load(folder.path, ranks=ranks)
        if ranks.is_first:
            check_output(folder.path / ".neighbours", f"{folder.neighbours}, where the index is written")
        dataset = Dataset.open(dataset_path) if dataset_path else open_dataset(model.config.data)
        settings = _settings(model.config, records)
        with _progress(shown=ranks.is_first) as show:
            meta = build_index(model, dataset, settings, folder.neighbours, ranks, show)
    if ranks.is_first:
        _say(folder, meta, "")


def _add(folder: RunFolder, source: Path) -> None:
    check_alone("index --add")
    IndexMeta.read(folder.neighbours)  # before a model is loaded
    change = add_records(folder.neighbours, TrainedModel.load(folder.path), read_records(source))
    _say(
        folder,
        IndexMeta.read(folder.neighbours),
        f"{change.added:,} records added, {change.replaced:,} of them in place of older ones; ",
    )


def _remove(folder: RunFolder, source: Path) -> None:
    check_alone("index --remove")
    ids = list(dict.fromkeys(_ids(source)))
    if not ids:
        raise DataError(f"{source}: holds no record id")
    change = remove_records(folder.neighbours, ids)
    _say(folder, IndexMeta.read(folder.neighbours), f"{change.removed:,} records removed; ")


def _settings(config: Config, records: int | None) -> NeighboursSection:
    return config.neighbours if records is None else config.neighbours.model_copy(update={"records": records})


def _ids(source: Path) -> Iterator[str]:
    for where, line in read_lines(source):
        try:
            yield line.decode()
        except UnicodeDecodeError:
            raise DataError(f"{where}: {line[:60]!r}: must be a record id, in UTF-8") from None


def _say(folder: RunFolder, meta: IndexMeta, what: str) -> None:
    size, kinds = IndexFolder(folder.neighbours).num_bytes(), " and ".join(meta.keys)
    each = f", {size / meta.records:,.0f} a record" if meta.records else ""
    print(f"{folder.neighbours}: {what}{meta.records:,} records with {kinds} keys, {size:,} bytes{each}")  # noqa: T201


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """Lend what draws a bar of this rank's records; no terminal, no bar."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not (shown and console.is_terminal)) as bars:
        task = bars.add_task("encoding training records", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
