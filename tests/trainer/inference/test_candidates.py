"""Candidates of several sources in one table, against dictionaries."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.inference.fused import Candidates, CandidateSource, join_candidates

NUM_LABELS = 7
PROPOSED = st.dictionaries(st.integers(0, NUM_LABELS - 1), st.integers(-50, 50), max_size=NUM_LABELS)
PAIRS = st.sets(st.tuples(st.integers(0, 4), st.integers(0, NUM_LABELS - 1)))


@st.composite
def proposals(draw: st.DrawFn) -> dict[str, list[dict[int, int]]]:
    """Let one to three sources propose labels for the same records, each with a number."""
    records, names = draw(st.integers(1, 5)), draw(st.sampled_from([["scan"], ["scan", "dense"], ["b", "a", "c"]]))
    return {name: draw(st.lists(PROPOSED, min_size=records, max_size=records)) for name in names}


def source(proposed: list[dict[int, int]], gap: int) -> CandidateSource:
    """Lay them out with empty places in front, between and behind."""
    width = max(map(len, proposed)) + gap
    ids_BK = np.full((len(proposed), width), -1, dtype=np.int64)
    values_BK = np.full(ids_BK.shape, 99.0, dtype=np.float32)
    for record, own in enumerate(proposed):
        places = sorted(np.random.default_rng(record).permutation(width)[: len(own)])
        ids_BK[record, places], values_BK[record, places] = list(own), list(own.values())
    return CandidateSource(ids_BK, values_BK)


def as_dicts(found: Candidates) -> list[dict[int, dict[str, float]]]:
    """Name what is said of each label of each record; what has no value is not there."""
    return [
        {
            label: {name: float(values[b, u]) for name, values in found.values.items() if not math.isnan(values[b, u])}
            for u, label in enumerate(ids_U)
            if label >= 0
        }
        for b, ids_U in enumerate(found.ids_BU.tolist())
    ]


@given(proposals(), PAIRS, st.integers(0, 2))
def test_each_label_that_any_source_proposes_is_there_once_with_what_each_says(
    proposed: dict[str, list[dict[int, int]]], out: set[tuple[int, int]], gap: int
) -> None:
    sources = {name: source(own, gap) for name, own in proposed.items()}
    records = len(next(iter(proposed.values())))
    pairs = [pair for pair in out if pair[0] < records]
    excluded = tuple(np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    found = join_candidates(sources, (excluded[0], excluded[1]), NUM_LABELS)
    wanted = [
        {
            label: {name: float(own[record][label]) for name, own in proposed.items() if label in own[record]}
            for label in range(NUM_LABELS)
            if (record, label) not in out and any(label in own[record] for own in proposed.values())
        }
        for record in range(records)
    ]
    assert as_dicts(found) == wanted
    assert [list(own) for own in as_dicts(found)] == [sorted(own) for own in wanted]  # by id
    assert found.ids_BU.shape == (records, max(map(len, wanted)))
    for ids_U in found.ids_BU:
        assert (np.diff((ids_U < 0).astype(int)) >= 0).all(), "a gap in the middle"
    for values in found.values.values():
        assert np.isnan(values[found.ids_BU < 0]).all()


@pytest.mark.parametrize("width", [0, 2])
def test_where_nobody_proposes_anything_there_are_no_candidates(width: int) -> None:
    nothing = CandidateSource(np.full((3, width), -1, dtype=np.int64), np.zeros((3, width), dtype=np.float32))
    found = join_candidates({"scan": nothing}, (np.array([1]), np.array([2])), NUM_LABELS)
    assert found.ids_BU.shape == found.values["scan"].shape == (3, 0)
