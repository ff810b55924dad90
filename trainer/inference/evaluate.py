"""Evaluate a trained run on a split of a data set: rankings, F1, the long tail, and what given labels are worth."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from sharding import TRAIN, DataError, Dataset, LabelFilter, RecordBatch, sequential

from ..data import columns, open_dataset
from ..distributed import ONE_RANK, Ranks
from ..errors import ConfigError
from ..evaluation import (
    DEPTHS,
    KS,
    Answering,
    BucketRecall,
    Denial,
    EvaluationResult,
    PartialAnnotation,
    Ranker,
    SplitEvaluator,
    Worth,
)
from ..evaluation.ranker import NO_CONTEXT
from ..run.folder import RunFolder
from .fused import FusedRanker
from .loading import TrainedModel
from .tuned import answering, count_duplicates

Batches = Iterable[RecordBatch]
Follow = Callable[[Batches, str, int], Batches]


@dataclass(frozen=True)
class Evaluation:
    """What was found.

    Attributes:
        about: What was judged and how: "step", "split", "refine", "prior weight", "labels", "filter".
        results: By ranking: "scan", "refined", "scan+cloze", "fused", as far as the run has them.
        worth: Of none, one, two known labels, if that was asked for, see `PartialAnnotation`.
        denial: As `worth`: of the best false label, once it is denied.
        duplicates: Texts and titles of the split that stand in the neighbour index, if there is one.
    """

    about: Mapping[str, Any]
    results: Mapping[str, EvaluationResult]
    worth: Sequence[Worth] = ()
    denial: Denial | None = None
    duplicates: tuple[int, int] | None = None

    @property
    def any_result(self) -> EvaluationResult:
        """One of the results: how many records and labels there are is the same for every ranking."""
        return next(iter(self.results.values()))

    def as_json(self) -> dict[str, Any]:
        """Lay it out for evaluation.json; null where there is no number, as for a threshold that nothing reaches."""
        records = self.any_result.records
        found = {**self.about, "records": records, "by training records": list(self._by_training_records())}
        if self.worth:
            found["given"] = [asdict(each) for each in self.worth]
        if self.denial:
            found["denied"] = asdict(self.denial)
        if self.duplicates:
            found["in the neighbour index"] = dict(zip(("texts", "titles"), self.duplicates, strict=True))
        for name, result in self.results.items():
            found[name] = {metric: x if math.isfinite(x) else None for metric, x in result.metrics.items()}
        return found

    def _by_training_records(self) -> Iterator[dict[str, Any]]:
        """Describe each band of labels, and what each ranking finds of its assignments."""
        for place, found in enumerate(self.any_result.bands):
            yield {
                "name": found.band.name,
                "least": found.band.least,
                "most": found.band.most,
                "labels": found.labels,
                "assignments": found.assignments,
                "share": found.share,
                "recall": {name: recall_at(result.bands[place]) for name, result in self.results.items()},
            }


def recall_at(found: BucketRecall) -> dict[str, float]:
    """Name the recalls of a band of labels."""
    return {f"recall@{k}": share for k, share in zip(KS, found.recall_D, strict=False)}


def evaluate(
    run: Path,
    split: str = "test",
    *,
    dataset: Path | None = None,
    records: int | None = None,
    seen_only: bool = False,
    label_filter: Path | None = None,
    depth: int | None = None,
    given: int = 0,
    refine: int | None = None,
    prior_weight: float = 1.0,
    tuned: bool = True,
    batch: int = 32,
    ranks: Ranks = ONE_RANK,
    follow: Follow = lambda batches, _what, _total: batches,
) -> Evaluation:
    """Judge a trained run on a split; thresholds of F1 are tuned on its dev split. A collective.

    Args:
        run: Folder of the run.
        split: Records to judge by.
        dataset: Folder of another data set with the same labels; None: the one that was trained on.
        records: Only the first so many of each split.
        seen_only: Judge as if there were only labels with a training record.
        label_filter: Pairs of record id and label that are neither predicted nor true; None: those of the data set.
        depth: Labels that are ranked of each record; None: cloze.shortlist.
        given: 1 or 2: also judge what so many of two drawn labels tell of a record's others, and a denied one.
        refine: Passes of refinement; None: as tuned.
        prior_weight: How many times a label's bias counts.
        tuned: Whether RUN/tuned.json counts, if it is there.
        batch: Records at a time.
        ranks: Who shares rows and records.
        follow: Wraps the batches of a pass, whose name and number it gets: to show how far it is.

    Returns:
        The same on every rank.

    Raises:
        ConfigError: The folder is no run's, or what is asked for does not go with it.
        CheckpointError: There is no checkpoint, or none that is whole.
        DataError: The data set has other labels, or no such split.
    """
    folder = RunFolder(run)
    model = TrainedModel.load(run, depth=depth, ranks=ranks).weighing_prior(prior_weight)
    if given:
        _check_given(model, given)
    opened = Dataset.open(dataset) if dataset else open_dataset(model.config.data)
    _check_labels(opened, folder)
    label_filter, model = _filtered(model, opened, label_filter)
    ranker = answering(model, folder, refine=refine, tuned=tuned)
    if isinstance(ranker, FusedRanker):
        ranker = replace(ranker, of_training_records=split == TRAIN)
    reader = _Reader(opened, records, batch, _columns(model, ranker, ids=given > 0), ranks, follow)
    asked, dev = partial(reader.read, split), partial(reader.read, model.config.data.dev_split)
    counts_L = model.vocabulary.counts
    judge = SplitEvaluator(ranker, counts_L, model.train_records, ranks, seen_only=seen_only)
    results = judge.verdicts(asked(), judge.thresholds(dev()))
    worth, denial = (), None
    if given:
        partially = PartialAnnotation(_deep(ranker), counts_L > 0, ranks, model.config.run.seed)
        worth, denial = partially.worth(asked(), given, partially.threshold(dev())), partially.denial(asked())
    index = ranker.index if isinstance(ranker, FusedRanker) else None
    about = {
        "step": model.step,
        "split": split,
        "refine": ranker.tuning.refine if isinstance(ranker, FusedRanker) and refine is None else refine or 0,
        "prior weight": prior_weight,
        "labels": "seen" if seen_only else "all",
        "filter": label_filter and str(label_filter),
    }
    duplicates = None if index is None else count_duplicates(index, asked(), ranks)
    return Evaluation(about, results, worth, denial, duplicates)


def _check_given(model: TrainedModel, given: int) -> None:
    """Refuse before anything is judged what could only be refused at the end."""
    if not model.ranker.reads_labels:
        raise ConfigError(f"--given {given}: {NO_CONTEXT}, no label can be given")
    model.ranker.check_given(given)


def _check_labels(dataset: Dataset, folder: RunFolder) -> None:
    """Label ids mean the same labels only under the same vocabulary."""
    if not folder.has_labels_of(dataset):
        raise DataError(
            f"{dataset.path}: has other labels than {folder.path} was trained on; "
            f"shard it again with --vocabulary {folder.labels}"
        )


def _filtered(model: TrainedModel, dataset: Dataset, path: Path | None) -> tuple[Path | None, TrainedModel]:
    """Leave out the pairs of a filter, and say which it was: the one given, else what the data set came with."""
    if path is None:
        own = dataset.label_filter
        return own, model.excluding(LabelFilter.read(own, model.vocabulary)) if own else model
    label_filter = LabelFilter.read(path, model.vocabulary)
    label_filter.check(_record_ids(dataset), dataset.path)  # a misspelt record id would filter nothing
    return path, model.excluding(label_filter)


def _record_ids(dataset: Dataset) -> Iterator[str]:
    for split in dataset.manifest.splits:
        for records in sequential(dataset.split(split), batch=4096, columns=("id",)):
            yield from records.table["id"].to_pylist()


def _columns(model: TrainedModel, ranker: Answering, *, ids: bool) -> tuple[str, ...]:
    """Name what is read of a record: its id where something depends on it, its text where texts are compared."""
    is_compared = isinstance(ranker, FusedRanker) and ranker.index is not None
    read = columns(model.config.data, ids=ids or model.ranker.excluded is not None or is_compared)
    return (*read, "text") if is_compared else read


@dataclass(frozen=True)
class _Reader:
    """Reads this rank's share of a split, as often as it is asked for."""

    dataset: Dataset
    records: int | None
    batch: int
    columns: tuple[str, ...]
    ranks: Ranks
    follow: Follow

    def read(self, split: str) -> Batches:
        chosen, ranks = self.dataset.split(split), self.ranks
        total = min(chosen.num_records, self.records or chosen.num_records)
        read = sequential(
            chosen,
            batch=self.batch,
            world_size=ranks.world_size,
            rank=ranks.rank,
            limit=self.records,
            columns=self.columns,
        )
        return self.follow(read, f"ranking {split}", -(-total // (self.batch * ranks.world_size)))


def _deep(ranker: Ranker | FusedRanker) -> Ranker | FusedRanker:
    """Rank as deep as its recall is judged."""
    if isinstance(ranker, FusedRanker):
        return replace(ranker, ranker=replace(ranker.ranker, depth=max(ranker.depth, *DEPTHS)))
    return replace(ranker, depth=max(ranker.depth or ranker.labels.shortlist, *DEPTHS))
