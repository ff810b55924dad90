"""Labels that training asks about: whose they are, and that frequency does not tell them apart."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from trainer.data.collate import DRAWN, Injection
from trainer.data.masking import RecordKeys

NUM_LABELS = 300
COUNTS = np.random.default_rng(0).permutation(1000 // np.arange(1, NUM_LABELS + 1))


def keys(records: int, epoch: int = 0) -> RecordKeys:
    return RecordKeys(seed=3, epoch=epoch, positions_B=np.arange(records))


records_of_labels = st.lists(st.sets(st.integers(0, NUM_LABELS - 1), max_size=9), min_size=1, max_size=5)


@given(records_of_labels, st.integers(1, 3), st.integers(0, 2))
def test_groups_are_a_true_label_that_is_not_hidden_and_false_ones_none_twice(
    records: list[set[int]], groups: int, hidden: int
) -> None:
    labels = np.array([label for own in records for label in sorted(own)], dtype=np.int64)
    offsets = np.append(0, np.cumsum([len(own) for own in records]))
    hidden_BV = np.full((len(records), hidden), -1)
    for own, hidden_V in zip(records, hidden_BV, strict=True):
        hidden_V[: len(own)] = sorted(own)[:hidden]
    forced_BGA = Injection.of(groups, COUNTS).ask(labels, offsets, hidden_BV, keys(len(records)))
    assert forced_BGA.shape == (len(records), groups, 1 + DRAWN)
    for own, shown_V, asked_GA in zip(records, hidden_BV, forced_BGA, strict=True):
        open_labels = own - set(shown_V.tolist())
        true = [label for label in asked_GA[:, 0].tolist() if label >= 0]
        assert len(set(true)) == len(true) == min(groups, len(open_labels))
        assert set(true) <= open_labels
        false = [label for label in asked_GA[:, 1:].ravel().tolist() if label >= 0]
        assert len(set(false)) == len(false)
        assert not set(false) & own
        assert (asked_GA[asked_GA[:, 0] < 0] == -1).all()


def test_false_labels_are_neither_rarer_nor_more_frequent_than_their_true_one() -> None:
    injection = Injection.of(1, COUNTS)
    labels = np.repeat(np.arange(50, 250), 40)  # places by frequency with room on both sides
    forced_BGA = injection.ask(
        injection.by_frequency_L[labels], np.arange(len(labels) + 1), np.empty((len(labels), 0)), keys(len(labels))
    )
    far_BA = injection.rank_L[forced_BGA[:, 0]] - injection.rank_L[forced_BGA[:, 0, :1]]
    far = far_BA[forced_BGA[:, 0] >= 0]  # repeated draws are left out
    assert np.abs(far).max() <= 32
    assert len(far) > 6 * len(labels)
    assert wilcoxon(far[far != 0]).pvalue > 1e-4  # keyed: one answer for ever


def test_every_epoch_asks_anew() -> None:
    given_all = np.arange(40), np.array([0, 20, 40]), np.empty((2, 0))
    first, second = (Injection.of(2, COUNTS).ask(*given_all, keys(2, epoch)) for epoch in (0, 1))
    assert (first != second).any()
