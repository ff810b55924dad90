"""Counted co-occurrence of given labels, against loops in plain Python."""

import math

import numpy as np
import pytest
from scipy import sparse

from benchmarks.quality.cooccurrence import CooccurrenceBaseline, Drawn, lift_LL
from benchmarks.quality.linear_text import LinearText, TfIdf
from benchmarks.quality.texts import LabelledTexts

LABELS = 7  # the last one has no training record


def labelled(seed: int, records: int) -> LabelledTexts:
    """Labels 0 and 1, 2 and 3 go together; the text names half of a record's labels."""
    generator = np.random.default_rng(seed)
    owns_NL = generator.random((records, LABELS)) < 0.3
    owns_NL[:, 1] = owns_NL[:, 0] ^ (generator.random(records) < 0.05)
    owns_NL[:, 3] = owns_NL[:, 2] ^ (generator.random(records) < 0.05)
    owns_NL[:, 6] = False
    own = [np.flatnonzero(owns_L) for owns_L in owns_NL]
    texts = [" ".join(f"w{label}" for label in labels if generator.random() < 0.5) for labels in own]
    return LabelledTexts([*map(str, range(records))], texts, np.concatenate(own), np.cumsum([0, *map(len, own)]))


def drawn(split: LabelledTexts, seed: int) -> Drawn:
    generator = np.random.default_rng(seed)
    own = np.split(split.labels, split.offsets[1:-1])
    records = np.array([record for record, labels in enumerate(own) if len(labels) > 2])
    return Drawn.of(split, records, np.stack([generator.permutation(own[record])[:2] for record in records]))


@pytest.fixture(scope="module")
def baseline() -> CooccurrenceBaseline:
    return CooccurrenceBaseline.fit(labelled(0, 2000), LABELS)


def log_odds(share: float) -> float:
    held = min(max(share, 1e-6), 0.999)
    return math.log(held / (1 - held))


def test_lift_is_the_log_odds_of_a_label_beside_another_less_those_among_all() -> None:
    records = labelled(1, 40)
    own = [set(labels.tolist()) for labels in np.split(records.labels, records.offsets[1:-1])]
    found = lift_LL(records.truth_NL(LABELS))
    for given in range(LABELS):
        for label in range(LABELS):
            beside = [labels for labels in own if given in labels]
            share = sum(label in labels for labels in own) / len(own)
            smoothed = (sum(label in labels for labels in beside) + 10 * share) / (len(beside) + 10)
            expected = min(max(log_odds(smoothed) - log_odds(share), -6), 6)
            assert found[given, label] == pytest.approx(expected, abs=1e-5)  # fp32
    assert not found[6].any(), "a label without a training record says nothing"
    assert not found[:, 6].any()


def test_lift_is_clipped() -> None:
    truth_NL = np.zeros((100_000, 2), dtype=np.float32)
    truth_NL[:300] = 1
    assert lift_LL(sparse.csr_matrix(truth_NL)).tolist() == [[6, 6], [6, 6]]


def test_a_given_label_adds_half_of_its_lift(baseline: CooccurrenceBaseline) -> None:
    asked = drawn(labelled(2, 60), 0)
    alone_nL, _ = baseline._rest(asked, 0)
    both_nL, _ = baseline._rest(asked, 2)
    for alone_L, both_L, (first, second) in zip(alone_nL, both_nL, asked.labels_n2.tolist(), strict=True):
        for label in set(range(6)) - {first, second}:
            added = 0.5 * (baseline.lift_LL[first, label] + baseline.lift_LL[second, label])
            assert both_L[label] - alone_L[label] == pytest.approx(added, abs=1e-5)  # fp32


def test_drawn_labels_and_those_never_seen_are_neither_answers_nor_truth(baseline: CooccurrenceBaseline) -> None:
    records = LabelledTexts(
        ["i", "j", "k"], ["w0 w4", "w1", "w2"], np.array([0, 4, 5, 0, 1, 6, 2, 3, 4, 5]), np.array([0, 3, 6, 10])
    )
    asked = Drawn(records, np.array([[4, 0], [1, 0], [5, 2]]))
    scores_nL, truth_nL = baseline._rest(asked, 1)
    # Of the second record only the label that training never saw is left: it does not count.
    assert [np.flatnonzero(truth_L).tolist() for truth_L in truth_nL] == [[5], [3, 4]]
    assert [np.flatnonzero(np.isinf(scores_L)).tolist() for scores_L in scores_nL] == [[0, 4, 6], [2, 5, 6]]


def test_quality_is_counted_over_the_labels_beside_the_drawn_ones(
    baseline: CooccurrenceBaseline,
) -> None:
    dev, test = drawn(labelled(3, 80), 0), drawn(labelled(4, 80), 1)
    tuned_nL, dev_truth_nL = baseline._rest(dev, 0)

    def f1(scores_nL: np.ndarray, truth_nL: np.ndarray, threshold: float) -> float:
        pairs = [(score >= threshold, bool(true)) for score, true in zip(scores_nL.flat, truth_nL.flat, strict=True)]
        found, wrong, missed = (pairs.count(pair) for pair in ((True, True), (True, False), (False, True)))
        return 2 * found / (2 * found + wrong + missed)

    threshold = max(sorted(set(tuned_nL.flat), reverse=True), key=lambda cut: f1(tuned_nL, dev_truth_nL, cut))
    for given, quality in enumerate(baseline.measure(dev, test)):
        scores_nL, truth_nL = baseline._rest(test, given)
        first = [
            bool(own[max(range(LABELS), key=row.__getitem__)]) for row, own in zip(scores_nL, truth_nL, strict=True)
        ]
        assert quality.given == given
        assert quality.precision_at_1 == pytest.approx(sum(first) / len(first))
        assert quality.micro_f1 == pytest.approx(f1(scores_nL, truth_nL, threshold))


def test_given_labels_help_where_labels_go_together(baseline: CooccurrenceBaseline) -> None:
    dev, test = drawn(labelled(5, 600), 0), drawn(labelled(6, 600), 1)
    none, one, two = baseline.measure(dev, test)
    assert none.precision_at_1 < one.precision_at_1 < two.precision_at_1
    assert none.micro_f1 + 0.02 < one.micro_f1


def test_precision_is_over_records_with_a_label_that_training_has() -> None:
    text = LinearText(TfIdf({}, np.zeros(0)), np.zeros((0, 4), np.float32), np.array([3, 2, 9, 1], np.float32))
    model = CooccurrenceBaseline(text, np.zeros((4, 4), np.float32), np.array([True, True, False, True]))
    records = LabelledTexts(["i", "j", "k"], ["", "", ""], np.array([0, 3, 2, 1, 2]), np.array([0, 2, 3, 5]))
    assert model.precision(records) == pytest.approx({"P@1": 1 / 2, "P@3": (2 / 3 + 1 / 3) / 2, "P@5": 3 / 8})
