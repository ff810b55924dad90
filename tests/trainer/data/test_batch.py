"""Batches and the labels they show."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.model.tiny import some_texts
from trainer.data import State

LABELS = st.sets(st.integers(0, 9), max_size=4)
KNOWN = st.dictionaries(st.integers(0, 9), st.booleans(), max_size=4)


@given(st.lists(KNOWN, min_size=3, max_size=3))
def test_known_labels_become_slots_that_show_yes_or_no(known: list[dict[int, bool]]) -> None:
    batch = some_texts().revealing(known)
    assert batch.revealed_BV.dtype == batch.revealed_states_BV.dtype == torch.long
    for record, (ids, states) in enumerate(zip(batch.revealed_BV, batch.revealed_states_BV, strict=True)):
        shown = {int(label): int(state) for label, state in zip(ids, states, strict=True) if label >= 0}
        assert shown == {label: State.YES if true else State.NO for label, true in known[record].items()}


@given(st.lists(LABELS, min_size=3, max_size=3), st.lists(LABELS, min_size=3, max_size=3))
def test_barred_labels_are_excluded_with_those_that_were_and_with_revealed_ones(
    first: list[set[int]], second: list[set[int]]
) -> None:
    batch = some_texts().revealing([{0: True}, {}, {9: False}])
    for labels in (first, second):
        batch = batch.barring([np.array(sorted(each), dtype=np.int64) for each in labels])
    record_N, label_N = batch.excluded()
    excluded = set(zip(record_N.tolist(), label_N.tolist(), strict=True))
    barred = {(record, label) for labels in (first, second) for record in range(3) for label in labels[record]}
    assert excluded == {(0, 0), (2, 9)} | barred
