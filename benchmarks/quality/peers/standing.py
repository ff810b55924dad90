"""What a peer reaches on a data set: run live where its Python is named, otherwise by figures known from before."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sharding import DataError, Dataset, publish, sequential
from trainer.evaluation import Answers

from ..judging import ranking_metrics

SCRIPTS = Path(__file__).parent


@dataclass(frozen=True)
class Peer:
    """A model of others.

    Attributes:
        name: As it stands in tables.
        script: Beside this file: `python SCRIPT CORPUS ANSWERS TOP`.
        environment: The variable that names a Python which has the peer's package.
    """

    name: str
    script: str
    environment: str


XR_LINEAR = Peer("XR-Linear", "xr_linear.py", "LMMTC_PECOS")
BONSAI = Peer("Bonsai", "bonsai.py", "LMMTC_OMIKUJI")
PEERS = (XR_LINEAR, BONSAI)


def standing(
    peer: Peer, known: Mapping[str, float], dataset: Dataset, folder: Path, top: int, *, seen_only: bool = True
) -> tuple[str, Mapping[str, float]]:
    """Choose live figures, or those that are known where the peer's Python is not named.

    Args:
        peer: The model.
        known: Its figures from before, in percent.
        dataset: What `corpus.prepare` has made of `folder`'s corpus.jsonl.
        folder: Where answers are kept; those that are there already are read.
        top: Labels of a ranking.
        seen_only: Judge by labels with a training record, else by all.

    Returns:
        What the row is called, and its figures by metric in percent.
    """
    python = os.environ.get(peer.environment)
    if python is None:
        return f"{peer.name}, known figures", known
    metrics = judged(answers(peer, python, folder, top), dataset, top, seen_only=seen_only)
    return f"{peer.name}, run beside ours", {name: 100 * value for name, value in metrics.items()}


def answers(peer: Peer, python: str, folder: Path, top: int) -> dict[str, list[str]]:
    """Train a peer on a folder's corpus.jsonl once; returns {test record: labels, best first}.

    Raises:
        DataError: The peer has failed; its log is named.
    """
    path = folder / f"{peer.name.lower()}-top-{top}.jsonl"
    if not path.exists():
        log = path.with_suffix(".log")
        with publish(path) as temporary, log.open("w", encoding="utf-8") as errors:
            command = [python, str(SCRIPTS / peer.script), str(folder / "corpus.jsonl"), str(temporary), str(top)]
            code = subprocess.run(command, check=False, stderr=errors).returncode  # noqa: S603  # its user named it
            if code:
                raise DataError(f"{peer.name}: {python} ended with {code}; what it said is in {log}")
    with path.open(encoding="utf-8") as lines:
        return {record["id"]: record["labels"] for record in map(json.loads, lines)}


def judged(
    ranked: Mapping[str, Sequence[str]], dataset: Dataset, top: int, *, seen_only: bool = True
) -> dict[str, float]:
    """Measure rankings of the test records, given as names of labels, best first: ranking metrics, as shares of 1."""
    [records] = sequential(dataset.split("test"), batch=dataset.split("test").num_records, columns=("id", "labels"))
    labels, offsets = records.ragged("labels")
    ids_NK = np.full((len(records.weights), top), -1)
    for row_K, name in zip(ids_NK, records.table["id"].to_pylist(), strict=True):
        best = [dataset.vocabulary.id_of(label) for label in ranked[name]]
        row_K[: len(best)] = best
    found = Answers(ids_NK, np.zeros(ids_NK.shape), labels.astype(np.int64), offsets)
    return ranking_metrics(found, dataset, seen_only=seen_only)
