"""`lmmtc evaluate`: a trained run, judged on one split; the threshold of F1 is tuned on the dev split."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from .options import Batch, DatasetOption, PriorWeight, Refine, RunArgument, Untuned, on_accelerator

if TYPE_CHECKING:
    from sharding import RecordBatch
    from trainer.evaluation import Ranker
    from trainer.inference import FusedRanker
    from trainer.inference.loading import TrainedModel
from collections.abc import Iterator

from sharding import DataError, Dataset, LabelFilter, RecordBatch, sequential
from trainer.data import columns
from trainer.distributed import Ranks
from trainer.evaluation import Answering
from trainer.inference import FusedRanker
from trainer.inference.loading import TrainedModel
from trainer.run.folder import RunFolder

from ..terminal.progress import followed

RESULT = "evaluation.json"


@on_accelerator
def evaluate(
    run: RunArgument,
    dataset: DatasetOption = None,
    split: Annotated[str, typer.Option(help="Records to judge by.")] = "test",
    records: Annotated[int | None, typer.Option(min=1, help="Only the first so many of each split.")] = None,
    labels: Annotated[
        Literal["all", "seen"],
        typer.Option(help="Judge by all labels, or as if there were only those with a training record."),
    ] = "all",
    label_filter: Annotated[
        Path | None,
        typer.Option(
            "--filter",
            help="TSV file (may be .gz): record id, tab, label: pairs that are neither predicted nor true; "
            "default: what the source of the data set named.",
        ),
    ] = None,
    depth: Annotated[
        int | None, typer.Option(min=5, help="Labels ranked of each record; default: cloze.shortlist.")
    ] = None,
    given: Annotated[
        int,
        typer.Option(
            min=0, max=2, help="Also judge what 1, or 1 and 2, of two drawn labels of a record tell of the rest."
        ),
    ] = 0,
    refine: Refine = None,
    prior_weight: PriorWeight = 1,
    untuned: Untuned = False,
    batch: Batch = 32,
) -> None:
    """Measure a run: P, R, nDCG, PSP at k, recall, F1, the long tail, given labels; writes RUN/evaluation.json."""
    from sharding import TRAIN, Dataset, LabelFilter, publish
    from trainer.data import open_dataset
    from trainer.evaluation import SplitEvaluator
    from trainer.inference import FusedRanker, answering, count_duplicates
    from trainer.inference.loading import TrainedModel
    from trainer.run.folder import RunFolder

    from ..terminal.outputs import check_output
    from .evaluate import batches, check_labels, columns_of, read_filter
    from .evaluation_report import EvaluationReport
    from .process_group import process_group

    folder, known = RunFolder(run), {}
    with process_group() as ranks:
        model = TrainedModel.load(run, depth=depth, ranks=ranks).weighing_prior(prior_weight)
        if given:
            _check_given(model, given)
        if ranks.is_first:
            check_output(run / RESULT, f"{run / RESULT}, where the result is written")
        opened = Dataset.open(dataset) if dataset else open_dataset(model.config.data)
        check_labels(opened, folder)
        if label_filter:
            model = model.excluding(read_filter(label_filter, model, opened))
        elif opened.label_filter:
            model = model.excluding(LabelFilter.read(opened.label_filter, model.vocabulary))
        ranker = answering(model, folder, refine=refine, tuned=not untuned)
        if isinstance(ranker, FusedRanker):
            ranker = replace(ranker, of_training_records=split == TRAIN)
        counts = model.vocabulary.counts
        judge = SplitEvaluator(ranker, counts, model.train_records, ranks, seen_only=labels == "seen")
        wanted = columns_of(model, ranker, ids=given > 0)
        dev = partial(batches, ranks, opened, model.config.data.dev_split, records, batch, wanted)
        asked = partial(batches, ranks, opened, split, records, batch, wanted)
        verdicts = judge.verdicts(asked(), judge.thresholds(dev()))
        if given:
            known = _partial_annotation(model, ranker, dev, asked, given)
        if isinstance(ranker, FusedRanker) and ranker.index is not None:
            known["duplicates"] = count_duplicates(ranker.index, asked(), ranks)
    if not ranks.is_first:
        return
    passes = ranker.tuning.refine if isinstance(ranker, FusedRanker) and refine is None else refine or 0
    report = EvaluationReport(
        about={
            "step": model.step,
            "split": split,
            "refine": passes,
            "prior weight": prior_weight,
            "labels": labels,
            "filter": _name(label_filter or opened.label_filter),
        },
        verdicts=verdicts,
        **known,
    )
    with publish(run / RESULT) as temporary:
        temporary.write_text(json.dumps(report.as_json(), indent=1, allow_nan=False), encoding="utf-8")
    Console().print(*report.tables())


def _check_given(model: "TrainedModel", given: int) -> None:
    """Refuse before anything is judged what could only be refused at the end."""
    from trainer.errors import ConfigError
    from trainer.evaluation.ranker import NO_CONTEXT

    if not model.ranker.reads_labels:
        raise ConfigError(f"--given {given}: {NO_CONTEXT}, no label can be given")
    model.ranker.check_given(given)


def _partial_annotation(
    model: "TrainedModel",
    ranker: "Ranker | FusedRanker",
    dev: Callable[[], Iterable["RecordBatch"]],
    asked: Callable[[], Iterable["RecordBatch"]],
    given: int,
) -> dict[str, Any]:
    """Judge what labels that are known beforehand are worth: attributes of an EvaluationReport."""
    from trainer.evaluation import PartialAnnotation

    ranks, seed = model.ranker.labels.ranks, model.config.run.seed
    judge = PartialAnnotation(_deep(ranker), model.vocabulary.counts > 0, ranks, seed)
    return {"worth": judge.worth(asked(), given, judge.threshold(dev())), "denial": judge.denial(asked())}


def _deep(ranker: "Ranker | FusedRanker") -> "Ranker | FusedRanker":
    """Rank as deep as its recall is judged."""
    from trainer.evaluation import DEPTHS
    from trainer.inference import FusedRanker

    if isinstance(ranker, FusedRanker):
        return replace(ranker, ranker=replace(ranker.ranker, depth=max(ranker.depth, *DEPTHS)))
    return replace(ranker, depth=max(ranker.depth or ranker.labels.shortlist, *DEPTHS))


def _name(path: Path | None) -> str | None:
    return str(path) if path else None


def columns_of(model: TrainedModel, ranker: Answering, *, ids: bool) -> tuple[str, ...]:
    """Name what is read of a record: its id where something depends on it, its text where texts are compared."""
    is_compared = isinstance(ranker, FusedRanker) and ranker.index is not None
    read = columns(model.config.data, ids=ids or model.ranker.excluded is not None or is_compared)
    return (*read, "text") if is_compared else read


def batches(
    ranks: Ranks, dataset: Dataset, split: str, records: int | None, batch: int, wanted: tuple[str, ...]
) -> Iterable[RecordBatch]:
    chosen = dataset.split(split)
    total = min(chosen.num_records, records or chosen.num_records)
    read = sequential(
        chosen,
        batch=batch,
        world_size=ranks.world_size,
        rank=ranks.rank,
        limit=records,
        columns=wanted,
    )
    return followed(read, f"ranking {split}", -(-total // (batch * ranks.world_size)), shown=ranks.is_first)


def check_labels(dataset: Dataset, folder: RunFolder) -> None:
    """Label ids mean the same labels only under the same vocabulary."""
    if not folder.has_labels_of(dataset):
        raise DataError(
            f"{dataset.path}: has other labels than {folder.path} was trained on; "
            f"shard it again with --vocabulary {folder.labels}"
        )


def read_filter(path: Path, model: TrainedModel, dataset: Dataset) -> LabelFilter:
    """Read it, and refuse a record id that stands in no split: a misspelt one would filter nothing."""
    label_filter = LabelFilter.read(path, model.vocabulary)
    label_filter.check(_record_ids(dataset), dataset.path)
    return label_filter


def _record_ids(dataset: Dataset) -> Iterator[str]:
    for split in dataset.manifest.splits:
        for records in sequential(dataset.split(split), batch=4096, columns=("id",)):
            yield from records.table["id"].to_pylist()
