"""`lmmtc evaluate`: a trained run, judged on one split; the threshold of F1 is tuned on the dev split."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from sharding import TRAIN, DataError, Dataset, LabelFilter, RecordBatch, publish, sequential
from trainer.answering import FusedRanker, answering, count_duplicates
from trainer.data import columns, open_dataset
from trainer.distributed import Ranks
from trainer.errors import ConfigError
from trainer.evaluation import DEPTHS, KS, Answering, BandRecall, Judge, PartialAnnotation, Ranker, Verdict
from trainer.evaluation.evaluator import NO_CONTEXT
from trainer.run_folder import RunFolder
from trainer.trained import TrainedModel

from ..meeting import met
from ..outputs import check_output
from ..plain import plain
from ..progress import followed
from .found import Found

RESULT = "evaluation.json"
SHOWN = (
    *("P@1", "P@3", "P@5", "R@1", "R@3", "R@5", "nDCG@3", "nDCG@5", "PSP@1", "PSP@3", "PSP@5", "recall@K"),
    *("micro-F1", "macro-F1", "subset accuracy"),
    *("macro-F1@1", "macro-F1@3", "macro-F1@5", "coverage@1", "coverage@3", "coverage@5"),
)

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
    """Judge, print two tables, and write RUN/evaluation.json. Several ranks share labels and records."""
    folder, found = RunFolder(path), Found()
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
            found = _partial_annotation(model, ranker, dev, asked, given)
        if isinstance(ranker, FusedRanker) and ranker.index is not None:
            found = replace(found, duplicates=count_duplicates(ranker.index, asked(), ranks))
    if not ranks.is_first:
        return
    passes = ranker.tuning.refine if isinstance(ranker, FusedRanker) and refine is None else refine or 0
    judged = {"step": model.step, "split": split, "records": _first(verdicts).records, "refine": passes}
    judged |= {"prior weight": prior_weight, "labels": labels, "filter": _name(label_filter or dataset.label_filter)}
    judged |= {"by training records": _by_training_records(verdicts)} | found.as_json()
    with publish(path / RESULT) as temporary:
        temporary.write_text(json.dumps(judged | _metrics(verdicts), indent=1, allow_nan=False), encoding="utf-8")
    Console().print(_metrics_table(judged, verdicts), _bands_table(verdicts), *found.tables())


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
) -> "Found":
    """Judge what labels that are known beforehand are worth."""
    ranks, seed = model.ranker.labels.ranks, model.config.run.seed
    judge = PartialAnnotation(_deep(ranker), model.vocabulary.counts > 0, ranks, seed)
    return Found(judge.worth(asked(), given, judge.threshold(dev())), judge.denial(asked()))


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


def _first(verdicts: Mapping[str, Verdict]) -> Verdict:
    """Choose any: how many records and labels there are is the same for every ranking."""
    return next(iter(verdicts.values()))


def _metrics(verdicts: Mapping[str, Verdict]) -> dict[str, dict[str, float | None]]:
    """Collect what JSON can say: null where there is no number, as for a threshold that nothing should reach."""
    return {
        name: {metric: _finite(number) for metric, number in found.metrics.items()} for name, found in verdicts.items()
    }


def _by_training_records(verdicts: Mapping[str, Verdict]) -> list[dict[str, Any]]:
    """Describe each band of labels, and what each ranking finds of its assignments."""
    return [
        {
            "name": found.band.name,
            "least": found.band.least,
            "most": found.band.most,
            "labels": found.labels,
            "assignments": found.assignments,
            "share": found.share,
            "recall": {name: _recall(verdict.bands[place]) for name, verdict in verdicts.items()},
        }
        for place, found in enumerate(_first(verdicts).bands)
    ]


def _recall(found: BandRecall) -> dict[str, float]:
    return {f"recall@{k}": share for k, share in zip(KS, found.recall_D, strict=False)}


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _metrics_table(judged: Mapping[str, Any], verdicts: Mapping[str, Verdict]) -> Table:
    seen = ", judged by labels with a training record" if judged["labels"] == "seen" else ""
    title = f"{judged['records']:,} records of {judged['split']}, step {judged['step']}, in percent{seen}"
    table = Table(title=plain(title))
    table.add_column("metric")
    for name in verdicts:
        table.add_column(name, justify="right")
    for metric in SHOWN:
        table.add_row(metric, *(f"{100 * verdict.metrics[metric]:.1f}" for verdict in verdicts.values()))
    return table


def _bands_table(verdicts: Mapping[str, Verdict]) -> Table:
    table = Table(title=f"recall@{'/'.join(map(str, KS))} by a label's training records, in percent")
    table.add_column("label has")
    for heading in ("labels", "assignments", *verdicts):
        table.add_column(heading, justify="right")
    for place, found in enumerate(_first(verdicts).bands):
        assignments = f"{found.assignments:,} ({100 * found.share:.1f} %)"
        recalls = (_recall(verdict.bands[place]).values() for verdict in verdicts.values())
        cells = ("/".join(f"{100 * share:.1f}" for share in shares) for shares in recalls)
        table.add_row(str(found.band), f"{found.labels:,}", assignments, *cells)
    return table
