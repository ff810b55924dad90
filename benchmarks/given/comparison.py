"""The control, the model that reads given labels, and counted co-occurrence, on the same records and drawn labels."""

from pathlib import Path

from sharding import Dataset

from ..quality.cooccurrence import CooccurrenceBaseline
from ..quality.texts import read_texts
from . import product
from .figures import Contender


def compare(dataset: Dataset, folder: Path, recipe: Path) -> tuple[Contender, Contender, Contender]:
    """Train what is missing and measure; returns the control, the model, and the counted baseline."""
    task = product.Task(dataset, folder, recipe)
    return (
        _trained(task, "control", product.CONTROL, 0),
        _trained(task, "model", product.MODEL, 2),
        _counted(dataset, folder),
    )


def _trained(task: product.Task, name: str, form: tuple[str, ...], most: int) -> Contender:
    run = task.run(name, form)
    return Contender(name, product.text_percents(run), product.rest_quality(run, most))


def _counted(dataset: Dataset, folder: Path) -> Contender:
    train, dev, test = (read_texts(folder, dataset, split) for split in ("train", "dev", "test"))
    baseline = CooccurrenceBaseline.fit(train, len(dataset.vocabulary))
    text = {name: 100 * share for name, share in baseline.precision(test).items()}
    draws = [
        baseline.measure(*(product.draw(dataset, split, seed) for split in (dev, test)))
        for seed in range(product.DRAWS)
    ]
    return Contender("linear + counted co-occurrence", text, product.mean_of(draws))
