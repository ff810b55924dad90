"""All that this benchmark asks of the product: training, the neighbour index, and rankings with and without it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sharding import Dataset
from trainer.evaluation import Answers

from ..quality.runs import Run, places

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
    """Train if need be, index the training records, and look the test records up.

    Raises:
        NotImplementedError: Until the product has an index.
    """
    raise NotImplementedError(f"{run.folder}: the product has no neighbour index yet")


def answers(run: Run, dataset: Dataset) -> Mapping[str, Answers]:
    """Rank the test records by each of CHANNELS, fused with weights that are fitted on dev.

    Args:
        run: Trained and indexed.
        dataset: With the splits dev and test.

    Returns:
        Answers for all test records, in the order of their split, by the names of CHANNELS.

    Raises:
        NotImplementedError: Until the product has an index.
    """
    raise NotImplementedError(f"{run.folder}: the product fuses no neighbours into rankings of {dataset.path} yet")
