"""Batches and the labels they show."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.model.tiny import some_texts
from trainer.data import State

KNOWN = st.dictionaries(st.integers(0, 9), st.booleans(), max_size=4)


@given(st.lists(KNOWN, min_size=3, max_size=3))
def test_known_labels_become_slots_that_show_yes_or_no(known: list[dict[int, bool]]) -> None:
    batch = some_texts().revealing(known)
    assert batch.revealed_BV.dtype == batch.revealed_states_BV.dtype == torch.long
    for record, (ids, states) in enumerate(zip(batch.revealed_BV, batch.revealed_states_BV, strict=True)):
        shown = {int(label): int(state) for label, state in zip(ids, states, strict=True) if label >= 0}
        assert shown == {label: State.YES if true else State.NO for label, true in known[record].items()}
