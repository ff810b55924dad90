"""`lmmtc evaluate`: a trained run, judged on one split; the threshold of F1 is tuned on the dev split."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from sharding import TRAIN, DataError, Dataset, LabelFilter, RecordBatch, publish, sequential
from trainer.data import columns, open_dataset
from trainer.distributed import Ranks
from trainer.errors import ConfigError
from trainer.evaluation import DEPTHS, Answering, Judge, PartialAnnotation, Ranker
from trainer.evaluation.ranker import NO_CONTEXT
from trainer.inference import FusedRanker, answering, count_duplicates
from trainer.run_folder import RunFolder
from trainer.trained import TrainedModel

from ..terminal.outputs import check_output
from ..terminal.progress import followed
from .evaluation_report import Report
from .process_group import met

RESULT = "evaluation.json"
Labels = Literal["all", "seen"]


def run(
    path: Path,
    dataset_path: Path | None,
    split: str,
    records: int | None,
    *,
    refine: int | None,
    batch: int,
    prior_weight: float = 1,
    labels: Labels = "all",
    label_filter: Path | None = None,
    depth: int | None = None,
    given: int = 0,
    tuned: bool = True,
) -> None:
    """Judge, print tables, and write RUN/evaluation.json. Several ranks share labels and records."""
    folder, known = RunFolder(path), {}
    with met() as ranks:
        model = TrainedModel.load(path, depth=depth, ranks=ranks).weighing_prior(prior_weight)
        if given:
            _check_given(model, given)
        if ranks.is_first:
            check_output(path / RESULT, f"{path / RESULT}, where the result is written")
        dataset = Dataset.open(dataset_path) if dataset_path else open_dataset(model.config.data)
        _check_labels(dataset, folder)
        if label_filter:
            model = model.barring(_read_filter(label_filter, model, dataset))
        elif dataset.label_filter:
            model = model.barring(LabelFilter.read(dataset.label_filter, model.vocabulary))
        ranker = answering(model, folder, refine=refine, tuned=tuned)
        if isinstance(ranker, FusedRanker):
            ranker = replace(ranker, of_training_records=split == TRAIN)
        counts = model.vocabulary.counts
        judge = Judge(ranker, counts, model.train_records, ranks, seen_only=labels == "seen")
        wanted = _columns(model, ranker, given)
        dev = partial(_batches, ranks, dataset, model.config.data.dev_split, records, batch, wanted)
        asked = partial(_batches, ranks, dataset, split, records, batch, wanted)
        verdicts = judge.verdicts(asked(), judge.thresholds(dev()))
        if given:
            known = _partial_annotation(model, ranker, dev, asked, given)
        if isinstance(ranker, FusedRanker) and ranker.index is not None:
            known["duplicates"] = count_duplicates(ranker.index, asked(), ranks)
    if not ranks.is_first:
        return
    passes = ranker.tuning.refine if isinstance(ranker, FusedRanker) and refine is None else refine or 0
    report = Report(
        about={
            "step": model.step,
            "split": split,
            "refine": passes,
            "prior weight": prior_weight,
            "labels": labels,
            "filter": _name(label_filter or dataset.label_filter),
        },
        verdicts=verdicts,
        **known,
    )
    with publish(path / RESULT) as temporary:
        temporary.write_text(json.dumps(report.as_json(), indent=1, allow_nan=False), encoding="utf-8")
    Console().print(*report.tables())


def _check_given(model: TrainedModel, given: int) -> None:
    """Refuse before anything is judged what could only be refused at the end."""
    if not model.ranker.reads_labels:
        raise ConfigError(f"--given {given}: {NO_CONTEXT}, no label can be given")
    model.ranker.check_given(given)


def _columns(model: TrainedModel, ranker: Answering, given: int) -> tuple[str, ...]:
    """Name what is read of a record: its id where something depends on it, its text where texts are compared."""
    is_compared = isinstance(ranker, FusedRanker) and ranker.index is not None
    read = columns(model.config.data, ids=model.ranker.barred is not None or given > 0 or is_compared)
    return (*read, "text") if is_compared else read


def _partial_annotation(
    model: TrainedModel,
    ranker: Ranker | FusedRanker,
    dev: Callable[[], Iterable[RecordBatch]],
    asked: Callable[[], Iterable[RecordBatch]],
    given: int,
) -> dict[str, Any]:
    """Judge what labels that are known beforehand are worth: attributes of a Report."""
    ranks, seed = model.ranker.labels.ranks, model.config.run.seed
    judge = PartialAnnotation(_deep(ranker), model.vocabulary.counts > 0, ranks, seed)
    return {"worth": judge.worth(asked(), given, judge.threshold(dev())), "denial": judge.denial(asked())}


def _deep(ranker: Ranker | FusedRanker) -> Ranker | FusedRanker:
    """Rank as deep as its recall is judged."""
    if isinstance(ranker, FusedRanker):
        return replace(ranker, ranker=replace(ranker.ranker, depth=max(ranker.depth, *DEPTHS)))
    return replace(ranker, depth=max(ranker.depth or ranker.labels.shortlist, *DEPTHS))


def _batches(
    ranks: Ranks, dataset: Dataset, split: str, records: int | None, batch: int, wanted: tuple[str, ...]
) -> Iterable[RecordBatch]:
    chosen = dataset.split(split)
    total = min(chosen.num_records, records or chosen.num_records)
    batches = sequential(
        chosen,
        batch=batch,
        world_size=ranks.world_size,
        rank=ranks.rank,
        limit=records,
        columns=wanted,
    )
    return followed(batches, f"ranking {split}", -(-total // (batch * ranks.world_size)), shown=ranks.is_first)


def _check_labels(dataset: Dataset, folder: RunFolder) -> None:
    """Label ids mean the same labels only under the same vocabulary."""
    if not folder.has_labels_of(dataset):
        raise DataError(
            f"{dataset.path}: has other labels than {folder.path} was trained on; "
            f"shard it again with --vocabulary {folder.labels}"
        )


def _read_filter(path: Path, model: TrainedModel, dataset: Dataset) -> LabelFilter:
    """Read it, and refuse a record id that stands in no split: a misspelt one would filter nothing."""
    label_filter = LabelFilter.read(path, model.vocabulary)
    label_filter.check(_record_ids(dataset), dataset.path)
    return label_filter


def _name(path: Path | None) -> str | None:
    return str(path) if path else None


def _record_ids(dataset: Dataset) -> Iterator[str]:
    for split in dataset.manifest.splits:
        for records in sequential(dataset.split(split), batch=4096, columns=("id",)):
            yield from records.table["id"].to_pylist()
