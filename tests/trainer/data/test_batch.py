"""Batches and the labels they show."""

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.model.tiny import some_texts
from trainer.data import State, TextBatch
from trainer.labels.retriever import _positives

TRUE = [{1, 4, 7}, set(), {2, 4}]

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
def test_excluded_labels_add_up_and_revealed_ones_are_among_them(first: list[set[int]], second: list[set[int]]) -> None:
    batch = some_texts().revealing([{0: True}, {}, {9: False}])
    for labels in (first, second):
        batch = batch.excluding([np.array(sorted(each), dtype=np.int64) for each in labels])
    record_N, label_N = batch.withheld()
    excluded = set(zip(record_N.tolist(), label_N.tolist(), strict=True))
    said = {(record, label) for labels in (first, second) for record in range(3) for label in labels[record]}
    assert excluded == {(0, 0), (2, 9)} | said


def labelled() -> TextBatch:
    """Three texts that have the labels of TRUE."""
    labels = [sorted(own) for own in TRUE]
    offsets = torch.tensor([0, *np.cumsum([len(own) for own in labels])])
    return replace(some_texts(), labels=torch.tensor([label for own in labels for label in own]), label_offsets=offsets)


def as_sets(pairs: tuple[torch.Tensor, torch.Tensor]) -> list[set[int]]:
    """Name each record's labels, -1 left out; none may be there twice."""
    found = [pair for pair in zip(*(part.tolist() for part in pairs), strict=True) if pair[1] >= 0]
    assert len(set(found)) == len(found)
    return [{label for record, label in found if record == own} for own in range(3)]


@given(st.lists(KNOWN, min_size=3, max_size=3))
def test_what_is_not_revealed_is_open_whatever_was_said_of_it(known: list[dict[int, bool]]) -> None:
    batch = labelled().revealing(known)
    assert as_sets(batch.withheld()) == [set(own) for own in known]
    hidden = [true - set(own) for true, own in zip(TRUE, known, strict=True)]
    assert as_sets(_positives(batch, but_revealed=True)) == hidden
    assert as_sets(_positives(batch, but_revealed=False)) == TRUE


@given(st.lists(KNOWN, min_size=3, max_size=3), st.sampled_from([State.YES, State.NO]))
def test_further_labels_are_revealed_beside_those_that_were(known: list[dict[int, bool]], state: State) -> None:
    too_BN = torch.tensor([[12, -1], [-1, -1], [10, 11]])
    batch = labelled().revealing(known).revealing_too(too_BN, state)
    for own, ids_V, states_V, more in zip(
        known, batch.revealed_BV.tolist(), batch.revealed_states_BV.tolist(), too_BN.tolist(), strict=True
    ):
        shown = {label: shown for label, shown in zip(ids_V, states_V, strict=True) if label >= 0}
        said = {label: State.YES if true else State.NO for label, true in own.items()}
        assert shown == said | {label: state for label in more if label >= 0}
    everything = [
        set(own) | {label for label in more if label >= 0} for own, more in zip(known, too_BN.tolist(), strict=True)
    ]
    assert as_sets(batch.withheld()) == everything


@given(st.lists(st.integers(0, 2), min_size=1, max_size=4))
def test_texts_that_are_chosen_keep_labels_and_bars_and_reveal_nothing(chosen: list[int]) -> None:
    whole = (
        labelled().revealing([{4: True}, {}, {9: False}]).excluding([np.array([], dtype=np.int64)] * 2 + [np.arange(2)])
    )
    part = whole.of_texts(torch.tensor(chosen))
    for place, record in enumerate(chosen):
        for name in ("ids_BT", "originals_BT", "masked_BT", "mask_BT", "weights_B", "excluded_BN"):
            assert torch.equal(getattr(part, name)[place], getattr(whole, name)[record])
        own = part.labels[part.label_offsets[place] : part.label_offsets[place + 1]]
        assert own.tolist() == sorted(TRUE[record])
    assert part.label_offsets[-1] == len(part.labels)
    assert part.revealed_BV.shape == part.revealed_states_BV.shape == (len(chosen), 0)
