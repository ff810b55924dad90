"""Answers with their truth, as arrays for the code under test and as sets for the loops that state it again."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from trainer.evaluation import Answers

NUM_LABELS = 9
SCORES = [-1.5, -1.0, 0.0, 0.5, 2.0, 3.0]


@st.composite
def answers(draw: st.DrawFn, at_least: int = 0) -> Answers:
    """Any rankings, some ending in -1, beside any sets of true labels, some empty."""
    num_candidates, num_records = draw(st.integers(0, 7)), draw(st.integers(at_least, 6))
    ids = []
    for _ in range(num_records):
        present = draw(st.integers(0, num_candidates))
        ids.append(draw(st.permutations(range(NUM_LABELS)))[:present] + [-1] * (num_candidates - present))
    one_row = st.lists(st.sampled_from(SCORES), min_size=num_candidates, max_size=num_candidates)
    scores = [sorted(draw(one_row), reverse=True) for _ in range(num_records)]
    true = [draw(st.sets(st.integers(0, NUM_LABELS - 1))) for _ in range(num_records)]
    return answers_of(ids, scores, true, num_candidates)


def answers_of(ids: Any, scores: Any, true: Sequence[set[int]], num_candidates: int) -> Answers:
    """Lay out what is given record by record."""
    shape = len(true), num_candidates
    return Answers(
        np.array(ids, dtype=np.int64).reshape(shape),
        np.array(scores, dtype=np.float32).reshape(shape),
        np.array([label for labels in true for label in sorted(labels)], dtype=np.int64),
        np.cumsum([0, *map(len, true)]),
    )


def part(whole: Answers, first: int, last: int | None = None) -> Answers:
    """Cut out records."""
    chosen = slice(first, last)
    true = truth(whole)[chosen]
    return answers_of(whole.ids_NK[chosen], whole.scores_NK[chosen], true, whole.ids_NK.shape[1])


def truth(whole: Answers) -> list[set[int]]:
    """Name each record's true labels."""
    return [set(labels) for labels in np.split(whole.labels, whole.offsets[1:-1])] if len(whole.ids_NK) else []


def ranked(whole: Answers) -> list[list[int]]:
    """Name each record's candidates, best first."""
    return [[label for label in labels if label >= 0] for labels in whole.ids_NK.tolist()]


def random_answers(seed: int, records: int = 30, labels: int = 8, candidates: int = 4) -> tuple[Answers, np.ndarray]:
    """Draw answers, some candidates missing, and their truth as an indicator matrix; label 5 is never true."""
    generator = np.random.default_rng(seed)
    true_NL = generator.random((records, labels)) < 0.2
    true_NL[:, 5] = False
    ids_NK = generator.permuted(np.tile(np.arange(labels), (records, 1)), axis=1)[:, :candidates]
    scores_NK = generator.normal(size=ids_NK.shape).astype(np.float32)
    ids_NK[generator.random(ids_NK.shape) < 0.1] = -1
    offsets = np.cumsum([0, *true_NL.sum(axis=1)])
    return Answers(ids_NK, scores_NK, true_NL.nonzero()[1], offsets), true_NL


def indicators(ids_NK: np.ndarray, chosen_NK: np.ndarray, num_labels: int) -> np.ndarray:
    """Write chosen candidates as an indicator matrix."""
    matrix = np.zeros((len(ids_NK), num_labels), dtype=bool)
    for record, place in np.argwhere(chosen_NK):
        matrix[record, ids_NK[record, place]] = True
    return matrix
