"""Which labels are drawn and denied, and what is left to be judged, against sets."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.evaluation.cases import NUM_LABELS, answers, answers_of, ranked, truth
from trainer.evaluation import Answers, best_false, drawn_labels, rest_of

OUT = st.sets(st.integers(0, NUM_LABELS - 1), max_size=2)


def ragged(true: list[set[int]]) -> tuple[np.ndarray, np.ndarray]:
    labels = np.array([label for own in true for label in sorted(own)], dtype=np.int64)
    return labels, np.cumsum([0, *map(len, true)])


def names(count: int) -> list[str]:
    return [f"record {place}" for place in range(count)]


@given(st.lists(st.sets(st.integers(0, 8)), max_size=8), st.sets(st.integers(0, 8)), st.booleans())
def test_two_labels_that_training_has_are_drawn_of_each_record_that_has_more_than_two(
    true: list[set[int]],
    seen: set[int],
    all_seen: bool,  # noqa: FBT001
) -> None:
    seen = set(range(9)) if all_seen else seen
    seen_L = None if all_seen else np.isin(np.arange(9), list(seen))
    kept, drawn = drawn_labels(names(len(true)), *ragged(true), 3, seen_L)
    assert kept.tolist() == [place for place, own in enumerate(true) if len(own & seen) > 2]
    assert drawn.shape == (len(kept), 2)
    assert all(
        len(set(row)) == 2 and set(row) <= true[place] & seen for place, row in zip(kept, drawn.tolist(), strict=True)
    )


def test_a_draw_depends_on_nothing_but_the_seed_and_the_record() -> None:
    generator = np.random.default_rng(0)
    true = [set(generator.choice(50, 6, replace=False).tolist()) for _ in range(40)]
    kept, drawn = drawn_labels(names(40), *ragged(true), 1)
    whole = dict(zip(kept.tolist(), drawn.tolist(), strict=True))
    for chosen in (range(40)[::-1], range(5, 9), range(1, 40, 3)):
        _, part = drawn_labels([names(40)[place] for place in chosen], *ragged([true[place] for place in chosen]), 1)
        assert part.tolist() == [whole[place] for place in chosen]
    labels, offsets = ragged(true)
    backwards = labels.reshape(40, 6)[:, ::-1].ravel()
    assert drawn_labels(names(40), backwards, offsets, 1)[1].tolist() == drawn.tolist()
    assert drawn_labels(names(40), labels, offsets, 2)[1].tolist() != drawn.tolist()
    assert drawn_labels(["another", *names(40)[1:]], labels, offsets, 1)[1][1:].tolist() == drawn[1:].tolist()


def test_each_pair_of_labels_is_drawn_as_often_as_any_other() -> None:
    _, drawn = drawn_labels(names(6000), *ragged([{1, 5, 7}] * 6000), 0)
    times = Counter(map(tuple, drawn.tolist()))
    assert len(times) == 6
    # Six orders of 1,000 each are expected; the standard deviation is 29.
    assert all(abs(count - 1000) < 150 for count in times.values())


@given(st.data(), answers())
def test_labels_that_leave_are_neither_truth_nor_candidates_of_their_record_alone(
    data: st.DataObject, whole: Answers
) -> None:
    out = [data.draw(OUT) for _ in range(len(whole.ids_NK))]
    out_ND = np.array([[*sorted(own), -1, -1][:2] for own in out], dtype=np.int64).reshape(len(out), 2)
    rest = rest_of(whole, out_ND)
    assert truth(rest) == [true - own for true, own in zip(truth(whole), out, strict=True)]
    for old, new, own in zip(pairs(whole), pairs(rest), out, strict=True):
        assert new == [(label, score) for label, score in old if label not in own]
    assert rest.ids_NK.shape == whole.ids_NK.shape
    assert rest.scores_NK.dtype == whole.scores_NK.dtype
    behind_NK = rest.ids_NK < 0
    assert np.isneginf(rest.scores_NK[behind_NK]).all()
    assert (np.diff(behind_NK.astype(int), axis=1) >= 0).all(), "a gap in the middle"


@given(answers())
def test_the_best_false_candidate_is_the_first_that_is_not_true(whole: Answers) -> None:
    wanted = [
        next((label for label in labels if label not in true), -1)
        for labels, true in zip(ranked(whole), truth(whole), strict=True)
    ]
    assert best_false(whole, NUM_LABELS).tolist() == wanted


def test_the_next_candidate_is_judged_without_the_denied_one() -> None:
    whole = answers_of([[4, 2, 3], [1, 5, -1]], [[3, 2, 1], [2, 1, 0]], [{2}, {1, 5}], 3)
    denied = best_false(whole, NUM_LABELS)
    assert denied.tolist() == [4, -1]
    rest = rest_of(whole, denied[:, None])
    assert rest.ids_NK.tolist() == [[2, 3, -1], [1, 5, -1]]
    assert truth(rest) == [{2}, {1, 5}]


def pairs(whole: Answers) -> list[list[tuple[int, float]]]:
    """Name each record's candidates with their scores, best first."""
    rows = zip(whole.ids_NK.tolist(), whole.scores_NK.tolist(), strict=True)
    return [[(label, score) for label, score in zip(*row, strict=True) if label >= 0] for row in rows]
