"""All that this benchmark asks of the product: training, judging, and the protocol of given labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sharding import Dataset
from trainer.evaluation import best_threshold
from trainer.trained import TrainedModel

from ..quality import given as protocol
from ..quality.cooccurrence import Drawn, RestQuality
from ..quality.runs import Run, places
from ..quality.tables import answer
from ..quality.texts import LabelledTexts

CONTROL = ("cloze.enabled=false",)
MODEL = ("cloze.context=joint", "cloze.slots=none")


@dataclass(frozen=True)
class Task:
    """A prepared data set, where its runs are kept, and the recipe that they share."""

    dataset: Dataset
    folder: Path
    recipe: Path
    settings: tuple[str, ...] = ()

    def run(self, name: str, form: Sequence[str]) -> Run:
        """Name the run of a form of the model."""
        shared = places(self.folder, f"given-{name}", self.dataset)
        return Run(self.recipe, (*shared, *form, *self.settings), labels="seen")


def text_percents(run: Run) -> dict[str, float]:
    """Train if need be, and judge with nothing given, over all test records with a seen label: percent by metric."""
    metrics = answer(run.judged("test"))
    return {name: 100 * metrics[name] for name in ("P@1", "P@3", "P@5")}


def draw(dataset: Dataset, texts: LabelledTexts, split: str) -> Drawn:
    """Draw the labels that the protocol gives, of a split whose texts are read."""
    records = protocol.eligible(dataset.split(split))
    return Drawn.of(texts, records.positions, protocol.draw(records).astype(np.int64))


def rest_quality(run: Run, dataset: Dataset, given: Sequence[int]) -> list[RestQuality]:
    """Judge a trained run on the labels beside the drawn ones, with so many of the drawn ones given."""
    ranker, num_labels = TrainedModel.load(run.folder).ranker, len(dataset.vocabulary)
    tuning = protocol.ask(ranker, protocol.eligible(dataset.split("dev")), 0)
    real_NK, hits_NK = tuning.ids_NK >= 0, tuning.hits_NK(num_labels)
    threshold, _ = best_threshold(tuning.scores_NK[real_NK], hits_NK[real_NK], num_positive=len(tuning.labels))
    test, found = protocol.eligible(dataset.split("test")), []
    for number in given:
        answers = protocol.ask(ranker, test, number)
        hits_NK = answers.hits_NK(num_labels)
        first_NK = np.cumsum(answers.ids_NK >= 0, axis=1) == 1  # a drawn label may stand before it
        precision = float((hits_NK & first_NK).any(axis=1).mean())
        found_N, predicted_N, true_N = protocol.counts(answers, threshold, num_labels).T
        micro_f1 = 2 * found_N.sum() / (predicted_N.sum() + true_N.sum())
        found.append(RestQuality(number, precision, float(micro_f1)))
    return found
