"""XR-Linear beside us, run live where LMMTC_PECOS names a Python that has libpecos, and judged as we are."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sharding import Dataset, sequential
from trainer.distributed import ONE_RANK
from trainer.evaluation import Answers, Tally, inverse_propensity

SCRIPT = Path(__file__).with_name("xr_linear.py")
NAME = "XR-Linear, run beside ours"


def live_metrics(dataset: Dataset, folder: Path, top: int) -> dict[str, float] | None:
    """Train and judge XR-Linear once, by labels with a training record; None where its Python is not named."""
    python = os.environ.get("LMMTC_PECOS")
    if python is None:
        return None
    answers = folder / "xr-linear.jsonl"
    if not answers.exists():
        command = [python, str(SCRIPT), str(folder / "corpus.jsonl"), str(answers), str(top)]
        subprocess.run(command, check=True)  # noqa: S603  # the Python that its user has named
    with answers.open(encoding="utf-8") as lines:
        ranked = {record["id"]: record["labels"] for record in map(json.loads, lines)}
    return judged(ranked, dataset, top)


def judged(ranked: Mapping[str, Sequence[str]], dataset: Dataset, top: int) -> dict[str, float]:
    """Measure rankings of the test records, given as names of labels, best first."""
    counts_L = dataset.vocabulary.counts
    tally = Tally.begin(np.inf, inverse_propensity(counts_L, dataset.split("train").num_records))
    for records in sequential(dataset.split("test"), batch=1024, columns=("id", "labels")):
        real = records.slice(0, int(records.weights.sum()))
        labels, offsets = real.ragged("labels")
        ids_NK = np.full((len(real.weights), top), -1)
        for row_K, name in zip(ids_NK, real.table["id"].to_pylist(), strict=True):
            best = [dataset.vocabulary.id_of(label) for label in ranked[name]]
            row_K[: len(best)] = best
        scores_NK = np.broadcast_to(-np.arange(top, dtype=np.float64), ids_NK.shape)
        tally.add(Answers(ids_NK, scores_NK, labels.astype(np.int64), offsets).among(counts_L > 0))
    return tally.verdict(counts_L, ONE_RANK).metrics
