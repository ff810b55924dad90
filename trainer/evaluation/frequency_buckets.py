"""Recall by label frequency: head, torso, tail and unseen labels, by their number of training records."""

from collections.abc import Iterator
from dataclasses import dataclass

from .label_counts import LabelCounts
from .ranking import Bools, Ints


@dataclass(frozen=True)
class FrequencyBucket:
    """Labels by their number of training records.

    Attributes:
        name: Name of the bucket.
        least: Training records of its labels, at least.
        most: Training records of its labels, at most; None: any number.
    """

    name: str
    least: int
    most: int | None

    def __str__(self) -> str:
        if self.most is None:
            return f"{self.name} {self.least}+"
        return f"{self.name} {self.least}-{self.most}" if self.most else f"{self.name} {self.least}"

    def of(self, counts_L: Ints) -> Bools:
        """Mark its labels, given the training records of each."""
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
    """What was found of the labels of one bucket.

    Attributes:
        band: The bucket.
        labels: Its labels that some judged record has.
        assignments: Pairs of a record and such a label.
        share: Share of all assignments.
        recall_D: Share of these assignments that was found, for each decision of the counts; empty without assignments.
    """

    band: FrequencyBucket
    labels: int
    assignments: int
    share: float
    recall_D: tuple[float, ...]


def by_frequency(counts: LabelCounts, training_records_L: Ints) -> Iterator[BucketRecall]:
    """Compute the recall of each bucket; the assignments of all buckets add up to all assignments."""
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
