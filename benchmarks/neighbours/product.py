"""All that this benchmark asks of the product: training, the neighbour index, and rankings with and without it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from sharding import COLUMNS, Dataset, RecordBatch, sequential
from trainer.answering import DEEP, FusedRanker, Tuning, load_index
from trainer.data import open_dataset
from trainer.evaluation import Answers, Channels, Fusion, fit_fusion
from trainer.neighbours import IndexFolder
from trainer.neighbours import build_index as build_index_of
from trainer.run_folder import RunFolder
from trainer.trained import TrainedModel

from ..quality.runs import BATCH, Run, places

LOOKED_UP = 512  # records whose look-up is timed

FORMS = {
    "control": ("cloze.enabled=false",),
    "joint": ("cloze.context=joint", "cloze.slots=none"),
}
# Rankings by name: the scan, and the scan fused with the votes of neighbours by one kind of key or by both.
ALONE, DENSE, SPARSE, BOTH = "alone", "dense", "sparse", "both"
CHANNELS = {ALONE: (), DENSE: ("dense",), SPARSE: ("sparse",), BOTH: ("dense", "sparse")}


@dataclass(frozen=True)
class IndexCost:
    """What the index takes: bytes on disk and, for a look-up by both kinds of keys, milliseconds; each of a record."""

    memory_bytes: float
    lookup_ms: float


def run_of(dataset: Dataset, folder: Path, recipe: Path, form: str) -> Run:
    """Name the run of a form of the model."""
    return Run(recipe, (*places(folder, f"neighbours-{form}", dataset), *FORMS[form]), labels="seen")


def build_index(run: Run) -> IndexCost:
    """Train if need be, index the training records, and look the test records up."""
    run.judged("test")  # trains it
    folder, dataset = RunFolder(run.folder), open_dataset(run.config.data)
    model = TrainedModel.load(run.folder, depth=DEEP)
    if not folder.neighbours.is_dir():
        build_index_of(model, dataset, run.config.neighbours, folder.neighbours)
    index = load_index(model, folder)
    asked = next(iter(_records(dataset, "test", LOOKED_UP)))
    with model.ranker.asking(asked) as batch:
        query_BE = model.ranker.model.read(batch).query_BE
    started = perf_counter()
    index.vote("dense", query_BE)
    index.vote("sparse", asked.table["text"].to_pylist())
    seconds = perf_counter() - started
    return IndexCost(IndexFolder(folder.neighbours).num_bytes() / index.meta.records, 1000 * seconds / len(query_BE))


def answers(run: Run, dataset: Dataset) -> Mapping[str, Answers]:
    """Rank the test records by each of CHANNELS, fused with weights that are fitted on dev.

    Args:
        run: Trained and indexed.
        dataset: With the splits dev and test.

    Returns:
        Answers for all test records, in the order of their split, by the names of CHANNELS.
    """
    model = TrainedModel.load(run.folder, depth=DEEP)
    index, counts_L = load_index(model, RunFolder(run.folder)), model.vocabulary.counts
    tuning = Tuning(model.step, 0, 0.5, index.meta.settings.k, Fusion.none())
    ranker = FusedRanker(model.ranker, tuning, counts_L, index)
    dev, test = (_asked(ranker, dataset, split) for split in ("dev", "test"))
    found = {}
    for name, kinds in CHANNELS.items():
        fusion = Fusion.none()
        if kinds:
            chosen = Channels(dev.channels.ids_NK, dev.channels.base_NK, _only(dev.channels, kinds))
            fit = fit_fusion(chosen, dev.labels, dev.offsets, counts_L, model.train_records, keep_propensity=True)
            fusion = fit.fusion
            print(name, json.dumps(fusion.to_json()["channels"]), flush=True)
        ids_NK, scores_NK = fusion.rank(test.channels, counts_L, DEEP)
        found[name] = Answers(ids_NK, scores_NK, test.labels, test.offsets)
    return found


@dataclass(frozen=True)
class _Asked:
    """What all channels say of a split's records, and the truth."""

    channels: Channels
    labels: np.ndarray
    offsets: np.ndarray


def _asked(ranker: FusedRanker, dataset: Dataset, split: str) -> _Asked:
    parts, labels, counts = [], [], []
    for records in _records(dataset, split, BATCH):
        parts.append(ranker.channels(records, (), CHANNELS[BOTH])[1])
        values, offsets = records.ragged("labels")
        labels.append(values.astype(np.int64))
        counts.append(np.diff(offsets))
    return _Asked(Channels.join(parts), np.concatenate(labels), np.append(0, np.cumsum(np.concatenate(counts))))


def _only(channels: Channels, kinds: Sequence[str]) -> dict[str, np.ndarray]:
    return {name: channels.others[name] for name in kinds}


def _records(dataset: Dataset, split: str, batch: int) -> Iterator[RecordBatch]:
    return sequential(dataset.split(split), batch=batch, columns=(*COLUMNS, "id", "text"))
