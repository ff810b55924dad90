"""Head, torso, tail and unseen labels: answers judged apart by how many training records a label has."""

from collections.abc import Iterator
from dataclasses import dataclass

from .label_counts import LabelCounts
from .ranking import Bools, Ints


@dataclass(frozen=True)
class FrequencyBucket:
    """The labels with at least `least` and at most `most` training records (None: no bound)."""

    name: str
    least: int
    most: int | None

    def __str__(self) -> str:
        if self.most is None:
            return f"{self.name} {self.least}+"
        return f"{self.name} {self.least}-{self.most}" if self.most else f"{self.name} {self.least}"

    def of(self, counts_L: Ints) -> Bools:
        """Choose its labels by their training records."""
        return (counts_L >= self.least) & (True if self.most is None else counts_L <= self.most)


# Fixed bounds, so that runs and data sets can be compared. They are those of many, medium and few shots in Liu, Miao,
# Zhan, Wang, Gong, Yu, Large-Scale Long-Tailed Recognition in an Open World, CVPR 2019; no shot stands for itself.
FREQUENCY_BUCKETS = (
    FrequencyBucket("head", 101, None),
    FrequencyBucket("torso", 20, 100),
    FrequencyBucket("tail", 1, 19),
    FrequencyBucket("unseen", 0, 0),
)


@dataclass(frozen=True)
class BucketRecall:
    """The labels of a band that some judged record has, their assignments, and the share of these that was found.

    share: of all assignments. recall_D: for each decision of the counts; empty where there is no assignment.
    """

    band: FrequencyBucket
    labels: int
    assignments: int
    share: float
    recall_D: tuple[float, ...]


def by_frequency(counts: LabelCounts, training_records_L: Ints) -> Iterator[BucketRecall]:
    """Judge each band; the assignments of all bands add up to all assignments."""
    for band in FREQUENCY_BUCKETS:
        chosen_L = band.of(training_records_L)
        true_C = counts.true_L[chosen_L]
        assignments = int(true_C.sum())
        yield BucketRecall(
            band=band,
            labels=int((true_C > 0).sum()),
            assignments=assignments,
            share=assignments / max(int(counts.true_L.sum()), 1),
            recall_D=tuple(counts.recall_D(chosen_L).tolist()) if assignments else (),
        )
