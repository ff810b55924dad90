"""`lmmtc tune`: what is chosen on dev once a run is trained, for evaluation and prediction."""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sharding import COLUMNS, Dataset, LabelFilter, RecordBatch, sequential
from trainer.data import open_dataset
from trainer.errors import ConfigError
from trainer.evaluation import BANDS
from trainer.inference import Tuner, Tuning, load_index
from trainer.run_folder import RunFolder
from trainer.trained import TrainedModel

from ..terminal.outputs import check_output
from ..terminal.progress import followed
from .process_group import met

SHOWN = ("P@1", "P@3", "P@5", "nDCG@5", "PSP@1", "PSP@3", "PSP@5")


def run(path: Path, dataset_path: Path | None, records: int | None, *, refine: int, batch: int, keep_psp: bool) -> None:
    """Tune, write RUN/tuned.json, and show what it brings on dev."""
    folder = RunFolder(path)
    with met() as ranks:
        model = TrainedModel.load(path, depth=64, ranks=ranks)
        if ranks.is_first:
            check_output(folder.tuned, f"{folder.tuned}, where the result is written")
        has_index = folder.neighbours.is_dir()
        if model.config.neighbours.records and not has_index:
            raise ConfigError(
                f"neighbours.records = {model.config.neighbours.records}: {folder.neighbours} is missing: run lmmtc "
                f"index {path} first"
            )
        index = load_index(model, folder) if has_index else None
        dataset = Dataset.open(dataset_path) if dataset_path else open_dataset(model.config.data)
        if dataset.label_filter:
            model = model.barring(LabelFilter.read(dataset.label_filter, model.vocabulary))
        tuner = Tuner(model, index, partial(_batches, model, dataset, records, batch), ranks, keep_propensity=keep_psp)
        tuning, figures = tuner.tune(refine)
        if ranks.is_first:
            tuning.save(folder.tuned, figures)
            Console().print(_figures_table(figures), _weights_table(tuning))
            print(folder.tuned)  # noqa: T201


def _batches(
    model: TrainedModel, dataset: Dataset, records: int | None, batch: int, limit: int | None
) -> Iterable[RecordBatch]:
    """Read dev, or its first `limit` records."""
    split, ranks = model.config.data.dev_split, model.ranker.labels.ranks
    chosen = dataset.split(split)
    most = min(chosen.num_records, records or chosen.num_records, limit or chosen.num_records)
    batches = sequential(
        chosen,
        batch=batch,
        world_size=ranks.world_size,
        rank=ranks.rank,
        limit=most,
        columns=(*COLUMNS, "id", "text"),
    )
    return followed(batches, f"asking {split}", -(-most // (batch * ranks.world_size)), shown=ranks.is_first)


def _figures_table(figures: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table(title="dev, in percent")
    table.add_column("metric")
    for name in ("text alone", "fused"):
        table.add_column(name, justify="right")
    for metric in SHOWN:
        table.add_row(metric, *(f"{100 * figures[name][metric]:.1f}" for name in ("before", "after")))
    return table


def _weights_table(tuning: Tuning) -> Table:
    table = Table(title=f"weights of the fusion; {tuning.refine} passes of refinement, threshold {tuning.threshold:g}")
    for heading in ("channel", "exponent", *map(str, BANDS)):
        table.add_column(heading)
    for each in tuning.fusion.channels:
        table.add_row(each.name, f"{each.exponent:g}", *(f"{weight:g}" for weight in each.weights))
    return table
