"""Channels as arrays for the code under test, and the loops that state again what a fusion makes of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from trainer.evaluation import CHANNELS, FREQUENCY_BUCKETS, Channels, ChannelWeights, Fusion

# Two labels of each band, and one more of the tail.
TRAINING_RECORDS = np.array([500, 101, 100, 20, 19, 1, 3, 0, 0])
TRAIN_RECORDS = 600
NUM_LABELS = len(TRAINING_RECORDS)
BAND_OF_LABEL = [0, 0, 1, 1, 2, 2, 2, 3, 3]
POWERS = {0.5: np.sqrt, 1.0: np.positive, 2.0: np.square}


@dataclass(frozen=True, eq=False)
class Judged:
    """Channels, and what is true."""

    channels: Channels
    labels: np.ndarray
    offsets: np.ndarray

    @property
    def true(self) -> list[set[int]]:
        """Name each record's true labels."""
        ends = zip(self.offsets[:-1], self.offsets[1:], strict=True)
        return [set(self.labels[first:last].tolist()) for first, last in ends]


@st.composite
def judged(draw: st.DrawFn, at_least: int = 0) -> Judged:
    """Any candidates with values from few, so that scores tie, beside any true labels."""
    num_records, num_candidates = draw(st.integers(at_least, 8)), draw(st.integers(0, 7))
    ids_NK = np.full((num_records, num_candidates), -1)
    for record in range(num_records):
        present = draw(st.integers(0, num_candidates))
        places = draw(st.permutations(range(num_candidates)))[:present]
        ids_NK[record, places] = draw(st.permutations(range(NUM_LABELS)))[:present]
    names = draw(st.sets(st.sampled_from(CHANNELS)))

    def values(*choices: float) -> np.ndarray:
        row = st.lists(st.sampled_from(choices), min_size=ids_NK.size, max_size=ids_NK.size)
        return np.array(draw(row), dtype=np.float32).reshape(ids_NK.shape)

    base_NK = np.where(ids_NK >= 0, values(-3.0, -1.0, 0.0, 0.5, 2.0), np.float32(-np.inf))
    signed, votes = (-2.0, -0.5, 0.0, 1.0), (0.0, 0.25, 0.5, 1.0)
    others = {name: values(*(votes if name in {"dense", "sparse"} else signed)) for name in sorted(names)}
    true = [sorted(draw(st.sets(st.integers(0, NUM_LABELS - 1)))) for _ in range(num_records)]
    labels = np.array([label for own in true for label in own], dtype=np.int64)
    return Judged(Channels(ids_NK, base_NK, others), labels, np.cumsum([0, *map(len, true)]))


@st.composite
def fusions(draw: st.DrawFn, names: Any = CHANNELS) -> Fusion:
    """Any weights of some of the named channels."""
    weight = st.sampled_from([0.0, 0.5, 1.0, 4.0])
    return Fusion(
        tuple(
            ChannelWeights(
                name,
                draw(st.tuples(*[weight] * len(FREQUENCY_BUCKETS))),
                draw(st.sampled_from([0.5, 1.0, 2.0])) if name in {"dense", "sparse"} else 1.0,
            )
            for name in names
            if draw(st.booleans())
        )
    )


def ranked_by_loop(fusion: Fusion, channels: Channels) -> list[list[tuple[int, float]]]:
    """Score each candidate by itself, and sort: (label, score), best first. In float32, so that ties are the same."""
    rows = []
    for record, ids in enumerate(channels.ids_NK.tolist()):
        row = []
        for place, label in enumerate(ids):
            if label < 0:
                continue
            score = np.float32(channels.base_NK[record, place])
            for each in fusion.channels:
                if each.name in channels.others:
                    raised = POWERS[each.exponent](np.float32(channels.others[each.name][record, place]))
                    score += np.float32(each.weights[BAND_OF_LABEL[label]]) * raised
            row.append((label, float(score)))
        rows.append(sorted(row, key=lambda pair: (-pair[1], pair[0])))
    return rows


def precision_by_loop(rows: list[list[tuple[int, float]]], true: list[set[int]]) -> dict[str, float]:
    """State P@k and PSP@k again, and the mean of P@k, over the records with a label."""
    c = (np.log(TRAIN_RECORDS) - 1) * 2.5**0.55
    inverse = [1 + c * (count + 1.5) ** -0.55 for count in TRAINING_RECORDS]
    kept = [([label for label, _ in row], own) for row, own in zip(rows, true, strict=True) if own]
    figures = {}
    for k in (1, 3, 5):
        hits = [[label for label in labels[:k] if label in own] for labels, own in kept]
        figures[f"P@{k}"] = sum(len(each) / k for each in hits) / len(kept)
        ideal = sum(sum(sorted((inverse[label] for label in own), reverse=True)[:k]) for _, own in kept)
        figures[f"PSP@{k}"] = sum(inverse[label] for each in hits for label in each) / ideal
    return figures | {"objective": sum(figures[f"P@{k}"] for k in (1, 3, 5)) / 3}
