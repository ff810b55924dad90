"""`lmmtc tune`: what is chosen on dev once a run is trained, for evaluation and prediction."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..terminal.progress import followed
from .options import Batch, DatasetOption, RunArgument, on_accelerator

if TYPE_CHECKING:
    from sharding import Dataset, RecordBatch
    from trainer.inference import Tuning
    from trainer.inference.loading import TrainedModel

SHOWN = ("P@1", "P@3", "P@5", "nDCG@5", "PSP@1", "PSP@3", "PSP@5")


@on_accelerator
def tune(
    run: RunArgument,
    dataset: DatasetOption = None,
    records: Annotated[int | None, typer.Option(min=1, help="Only the first so many dev records.")] = None,
    refine: Annotated[int, typer.Option(min=0, help="Most passes of refinement that are tried, against none.")] = 2,
    lose_psp: Annotated[
        bool, typer.Option("--lose-psp", help="Let PSP@k fall where P@k gains: labels of the head then gain most.")
    ] = False,
    batch: Batch = 64,
) -> None:
    """Choose on dev how a trained run answers: refinement, and the weights of its channels; writes RUN/tuned.json."""
    from sharding import Dataset, LabelFilter
    from trainer.data import open_dataset
    from trainer.errors import ConfigError
    from trainer.inference import Tuner, load_index
    from trainer.inference.loading import TrainedModel
    from trainer.run.folder import RunFolder

    from ..terminal.outputs import check_output
    from .process_group import process_group

    folder = RunFolder(run)
    with process_group() as ranks:
        model = TrainedModel.load(run, depth=64, ranks=ranks)
        if ranks.is_first:
            check_output(folder.tuned, f"{folder.tuned}, where the result is written")
        has_index = folder.neighbours.is_dir()
        if model.config.neighbours.records and not has_index:
            raise ConfigError(
                f"neighbours.records = {model.config.neighbours.records}: {folder.neighbours} is missing: run lmmtc "
                f"index {run} first"
            )
        index = load_index(model, folder) if has_index else None
        opened = Dataset.open(dataset) if dataset else open_dataset(model.config.data)
        if opened.label_filter:
            model = model.excluding(LabelFilter.read(opened.label_filter, model.vocabulary))
        tuner = Tuner(
            model, index, partial(_batches, model, opened, records, batch), ranks, keep_propensity=not lose_psp
        )
        tuning, figures = tuner.tune(refine)
        if ranks.is_first:
            tuning.save(folder.tuned, figures)
            Console().print(_figures_table(figures), _weights_table(tuning))
            typer.echo(folder.tuned)


def _batches(
    model: "TrainedModel", dataset: "Dataset", records: int | None, batch: int, limit: int | None
) -> Iterable["RecordBatch"]:
    """Read dev, or its first `limit` records."""
    from sharding import COLUMNS, sequential

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


def _weights_table(tuning: "Tuning") -> Table:
    from trainer.evaluation import FREQUENCY_BUCKETS

    table = Table(title=f"weights of the fusion; {tuning.refine} passes of refinement, threshold {tuning.threshold:g}")
    for heading in ("channel", "exponent", *map(str, FREQUENCY_BUCKETS)):
        table.add_column(heading)
    for each in tuning.fusion.channels:
        table.add_row(each.name, f"{each.exponent:g}", *(f"{weight:g}" for weight in each.weights))
    return table
