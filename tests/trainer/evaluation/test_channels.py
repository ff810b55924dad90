"""What is refused as channels, and joining, choosing and ordering them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.evaluation.channel_cases import BAND_OF_LABEL, TRAINING_RECORDS, Judged, judged
from trainer.evaluation import Channels


def said(channels: Channels) -> list[dict[int, tuple[float, ...]]]:
    """Name what is said of each candidate of each record: the base, then the channels by name."""
    arrays = [channels.base_NK, *(channels.others[name] for name in sorted(channels.others))]
    return [
        {label: tuple(float(a[n, k]) for a in arrays) for k, label in enumerate(row) if label >= 0}
        for n, row in enumerate(channels.ids_NK.tolist())
    ]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ids_NK": np.array([1, 2, -1])}, r"ids: has shape \(3,\): must be \[records, candidates\]"),
        ({"base_NK": np.zeros((1, 2))}, r"base: has shape \(1, 2\): must be .* as ids have, \(1, 3\)"),
        ({"others": {"dense": np.zeros((2, 3))}}, r"dense: has shape \(2, 3\)"),
        ({"base_NK": np.array([[0.0, np.nan, -np.inf]])}, "base: must be finite where there is a candidate"),
        ({"base_NK": np.array([[0.0, -np.inf, -np.inf]])}, "base: must be finite where there is a candidate"),
        ({"base_NK": np.array([[0.0, 1.0, 0.0]])}, "-inf where there is none"),
        ({"others": {"bm25": np.zeros((1, 3))}}, "bm25: must be one of context, slots, dense, sparse"),
        ({"others": {"slots": np.array([[0.0, 0.0, -np.inf]])}}, "slots: must be finite, also where .* use 0 there"),
        ({"others": {"sparse": np.array([[0.0, -0.5, 0.0]])}}, "sparse: has -0.5: votes must be at least 0"),
    ],
)
def test_what_are_no_channels_is_refused_with_the_rule(changed: dict[str, Any], message: str) -> None:
    sound = {"ids_NK": np.array([[1, 2, -1]]), "base_NK": np.array([[0.0, 1.0, -np.inf]]), "others": {}}
    Channels(**sound)
    with pytest.raises(ValueError, match=message):
        Channels(**sound | changed)


@given(st.data(), judged())
def test_joined_batches_of_other_widths_say_the_same_of_the_same_records(data: st.DataObject, whole: Judged) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole.true)), max_size=3)))
    parts = [whole.channels.take(part) for part in np.split(np.arange(len(whole.true)), cuts)]
    narrow = [part.by_label_id() for part in parts]
    widths = [int((part.ids_NK >= 0).sum(axis=1).max(initial=0)) for part in narrow]
    cut = [
        Channels(
            part.ids_NK[:, :width],
            part.base_NK[:, :width],
            {name: values_NK[:, :width] for name, values_NK in part.others.items()},
        )
        for part, width in zip(narrow, widths, strict=True)
    ]
    joined = Channels.join(cut)
    assert said(joined) == said(whole.channels)
    assert joined.ids_NK.shape == (len(whole.true), max(widths))
    assert joined.ids_NK.dtype == np.int64
    assert joined.base_NK.dtype == np.float32


def test_batches_with_other_channels_cannot_be_joined() -> None:
    plain = Channels(np.array([[1]]), np.array([[0.0]]), {})
    voted = Channels(plain.ids_NK, plain.base_NK, {"dense": np.array([[1.0]])})
    with pytest.raises(ValueError, match=r"channels: \['dense'\]: must be those of the first batch, \[\]"):
        Channels.join([plain, voted])


@given(judged())
def test_candidates_by_label_id_are_the_same_with_none_behind_them(data: Judged) -> None:
    ordered = data.channels.by_label_id()
    assert said(ordered) == said(data.channels)
    for row in ordered.ids_NK.tolist():
        present = [label for label in row if label >= 0]
        assert row == sorted(present) + [-1] * (len(row) - len(present))


@given(judged())
def test_a_candidate_is_of_the_band_of_its_label(data: Judged) -> None:
    bands_NK, real_NK = data.channels.bands_NK(TRAINING_RECORDS), data.channels.ids_NK >= 0
    assert bands_NK[real_NK].tolist() == [BAND_OF_LABEL[label] for label in data.channels.ids_NK[real_NK]]
