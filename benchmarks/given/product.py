"""All that this benchmark asks of the product: training, judging, and the protocol of given labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from sharding import Dataset
from trainer.evaluation import drawn_labels

from ..quality.cooccurrence import Drawn, RestQuality
from ..quality.runs import Run, places
from ..quality.tables import answer
from ..quality.texts import LabelledTexts

DRAWS = 5  # one draw's gain is known to about a point: as often two labels of each record are drawn
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


def draw(dataset: Dataset, texts: LabelledTexts, seed: int) -> Drawn:
    """Draw the labels that the protocol gives, of a split whose texts are read, once for each seed below DRAWS."""
    seen_L = dataset.vocabulary.counts > 0
    kept, drawn = drawn_labels(texts.ids, texts.labels, texts.offsets, seed, seen_L)
    return Drawn.of(texts, kept.astype(np.int64), drawn.astype(np.int64))


def rest_quality(run: Run, most: int) -> list[RestQuality]:
    """Judge a trained run on the labels beside the drawn ones, with none to `most` of the drawn ones given."""
    draws = run.worth(most, DRAWS)
    return mean_of([[RestQuality(each.given, each.precision, each.micro_f1) for each in draw] for draw in draws])


def mean_of(draws: Sequence[Sequence[RestQuality]]) -> list[RestQuality]:
    """Average what draws have found, by number of labels given."""
    return [
        RestQuality(own[0].given, fmean(each.precision_at_1 for each in own), fmean(each.micro_f1 for each in own))
        for own in zip(*draws, strict=True)
    ]
