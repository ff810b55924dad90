"""`lmmtc evaluate`: a trained run, judged on one split; the threshold of F1 is tuned on the dev split."""

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sharding import DataError, Dataset, publish, sequential, sha256
from trainer.data import columns
from trainer.evaluation import Answers, collect, inverse_propensity, judge
from trainer.run_folder import RunFolder
from trainer.trained import TrainedModel

from ..progress import followed

SHOWN = (
    *("P@1", "P@3", "P@5", "R@1", "R@3", "R@5", "nDCG@3", "nDCG@5", "PSP@1", "PSP@3", "PSP@5", "recall@K"),
    *("micro-F1", "macro-F1", "subset accuracy"),
)


def run(path: Path, dataset_path: Path | None, split: str, records: int | None, *, refine: int, batch: int) -> None:
    """Judge, print a table, and write RUN/evaluation.json."""
    model = TrainedModel.load(path, refine=refine)
    dataset = Dataset.open(dataset_path or model.config.data.dataset)
    _check_labels(dataset, RunFolder(path))
    tuning = _answers(model, dataset, model.config.data.dev_split, records, batch)
    test = _answers(model, dataset, split, records, batch)
    propensity_L = inverse_propensity(model.vocabulary.counts, model.train_records)
    results = {name: judge(tuning[name], test[name], propensity_L) for name in test}
    num_records = len(next(iter(test.values())).ids_NK)
    judged = {"step": model.step, "split": split, "records": num_records, "refine": refine, **results}
    with publish(path / "evaluation.json") as temporary:
        temporary.write_text(json.dumps(judged, indent=1), encoding="utf-8")
    _print(judged, results)


def _answers(model: TrainedModel, dataset: Dataset, split: str, records: int | None, batch: int) -> dict[str, Answers]:
    chosen = dataset.split(split)
    total = min(chosen.num_records, records or chosen.num_records)
    batches = sequential(chosen, batch=batch, limit=records, columns=columns(model.config.data))
    return collect(model.ranker, followed(batches, f"ranking {split}", -(-total // batch)))


def _check_labels(dataset: Dataset, folder: RunFolder) -> None:
    """Label ids mean the same labels only under the same vocabulary."""
    if sha256(folder.labels) != dataset.manifest.labels.sha256:
        raise DataError(
            f"{dataset.path}: has other labels than {folder.path} was trained on; "
            f"shard it again with --vocabulary {folder.labels}"
        )


def _print(judged: dict, results: dict[str, dict[str, float]]) -> None:
    table = Table(title=f"{judged['records']:,} records of {judged['split']}, step {judged['step']}, in percent")
    table.add_column("metric")
    for name in results:
        table.add_column(name, justify="right")
    for metric in SHOWN:
        table.add_row(metric, *(f"{100 * means[metric]:.1f}" for means in results.values()))
    Console().print(table)
