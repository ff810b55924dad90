"""All that this benchmark asks of the product: training, the neighbour index, and rankings with and without it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from sharding import COLUMNS, Dataset, RecordBatch, sequential
from trainer.data import open_dataset
from trainer.distributed import ONE_RANK
from trainer.evaluation import Answers, Channels, Fusion, fit_fusion
from trainer.inference import DEEP, FusedRanker, Tuner, ask_channels, load_index
from trainer.inference.loading import TrainedModel
from trainer.neighbours import IndexFolder
from trainer.neighbours import build_index as build_index_of
from trainer.run.folder import RunFolder

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
    run.train()
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
    """Rank the test records by each of CHANNELS, fused with what is chosen on dev: neighbours that vote, and weights.

    Args:
        run: Trained and indexed.
        dataset: With the splits dev and test.

    Returns:
        Answers for all test records, in the order of their split, by the names of CHANNELS.
    """
    model = TrainedModel.load(run.folder, depth=DEEP)
    index, counts_L = load_index(model, RunFolder(run.folder)), model.vocabulary.counts

    def batches(limit: int | None) -> Iterator[RecordBatch]:
        return _records(dataset, "dev", BATCH, limit)

    tuning, _ = Tuner(model, index, batches, ONE_RANK).tune(refine=0)
    print(tuning.votes, flush=True)
    ranker = FusedRanker(model.ranker, tuning, counts_L, index)
    dev, test = (
        ask_channels(ranker, _records(dataset, split, BATCH), CHANNELS[BOTH], [tuning.votes], ONE_RANK)
        for split in ("dev", "test")
    )
    [asked], found = test.by_rule, {}
    for name, kinds in CHANNELS.items():
        fusion = Fusion.none()
        if kinds:
            [chosen] = dev.by_rule
            chosen = Channels(chosen.ids_NK, chosen.base_NK, {kind: chosen.others[kind] for kind in kinds})
            fit = fit_fusion(chosen, dev.labels, dev.offsets, counts_L, model.train_records, keep_propensity=True)
            fusion = fit.fusion
            print(name, json.dumps(fusion.to_json()["channels"]), flush=True)
        found[name] = Answers(*fusion.rank(asked, counts_L, DEEP), test.labels, test.offsets)
    return found


def _records(dataset: Dataset, split: str, batch: int, limit: int | None = None) -> Iterator[RecordBatch]:
    return sequential(dataset.split(split), batch=batch, limit=limit, columns=(*COLUMNS, "id", "text"))
