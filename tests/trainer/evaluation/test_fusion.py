"""A fusion against loops, and what is refused as one."""

import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.evaluation.channel_cases import TRAINING_RECORDS, Judged, fusions, judged, ranked_by_loop
from trainer.errors import ConfigError
from trainer.evaluation import Channels, ChannelWeights, Fusion

FREQUENCY_BUCKETS = ("head 101+", "torso 20-100", "tail 1-19", "unseen 0")


@given(st.data(), judged(), st.integers(0, 9))
def test_a_ranking_equals_a_loop_over_candidates_with_equals_by_label_id(
    data: st.DataObject, given_: Judged, depth: int
) -> None:
    fusion = data.draw(fusions(sorted(given_.channels.others)))
    ids_NK, scores_NK = fusion.rank(given_.channels, TRAINING_RECORDS, depth)
    width = min(depth, given_.channels.ids_NK.shape[1])
    for ids, scores, row in zip(ids_NK, scores_NK, ranked_by_loop(fusion, given_.channels), strict=True):
        first, missing = row[:width], max(width - len(row), 0)
        assert scores.tolist() == [score for _, score in first] + [-np.inf] * missing
        assert ids.tolist() == [label for label, _ in first] + [-1] * missing


@given(judged())
def test_no_fusion_gives_the_scans_scores_bit_by_bit(data: Judged) -> None:
    scores_NK = Fusion.none().apply(data.channels, TRAINING_RECORDS)
    assert scores_NK.dtype == data.channels.base_NK.dtype
    assert np.array_equal(scores_NK, data.channels.base_NK)
    assert Fusion.none().used == ()


@given(st.data(), judged())
def test_scores_do_not_depend_on_the_batch(data: st.DataObject, given_: Judged) -> None:
    fusion = data.draw(fusions(sorted(given_.channels.others)))
    whole_NK = fusion.apply(given_.channels, TRAINING_RECORDS)
    for record in range(len(whole_NK)):
        alone_NK = fusion.apply(given_.channels.take(np.array([record])), TRAINING_RECORDS)
        assert np.array_equal(alone_NK[0], whole_NK[record])


def test_a_channel_with_a_weight_must_have_values_and_one_without_may_be_missing() -> None:
    channels = Channels(np.array([[0]]), np.array([[0.5]]), {"slots": np.array([[2.0]])})
    idle, busy = ChannelWeights("sparse", (0.0,) * 4, 2.0), ChannelWeights("dense", (0.0, 0.0, 3.0, 0.0))
    assert Fusion((idle,)).apply(channels, TRAINING_RECORDS).tolist() == [[0.5]]
    assert Fusion((idle, busy)).used == (busy,)
    with pytest.raises(ConfigError) as caught:
        Fusion((idle, busy)).apply(channels, TRAINING_RECORDS)
    assert str(caught.value) == (
        "fusion.channels.dense.weights = [0.0, 0.0, 3.0, 0.0]: must be 0 for a channel without values, and there are "
        "values of slots: turn the channel on, or fit the fusion without it"
    )


@given(fusions())
def test_a_fusion_is_read_as_it_was_written(fusion: Fusion) -> None:
    assert Fusion.from_json(json.loads(json.dumps(fusion.to_json(), allow_nan=False))) == fusion


def test_a_fusion_is_written_with_the_bounds_of_its_bands() -> None:
    weights = dict(zip(FREQUENCY_BUCKETS, (1.0, 2.0, 3.0, 4.0), strict=True))
    fusion = Fusion((ChannelWeights("dense", (1.0, 2.0, 3.0, 4.0), 0.5),))
    assert fusion.to_json() == {"channels": {"dense": {"exponent": 0.5, "weights": weights}}}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ((), [], "fusion = []: must be an object (here)"),
        (("chanels",), {}, "must be an object with exactly the keys channels (here)"),
        (("channels",), 3, "fusion.channels = 3: must be an object (here)"),
        (
            ("channels", "bm25"),
            {},
            "fusion.channels.bm25 = {}: must be left out: channels are context, slots, dense, sparse (here)",
        ),
        (("channels", "dense"), {}, "fusion.channels.dense = {}: must be an object with exactly the keys exponent, w"),
        (("channels", "dense", "weights"), {"head": 1}, "exactly the keys head 101+, torso 20-100, tail 1-19, unseen"),
        (
            ("channels", "dense", "weights", FREQUENCY_BUCKETS[2]),
            float("nan"),
            "fusion.channels.dense.weights.tail 1-19 = nan: must be a finite number of at least 0 (here)",
        ),
        (
            ("channels", "dense", "weights", FREQUENCY_BUCKETS[0]),
            -1,
            "head 101+ = -1: must be a finite number of at least 0",
        ),
        pytest.param(
            ("channels", "dense", "weights", FREQUENCY_BUCKETS[0]),
            10**400,
            "must be a finite number of at least 0",
            id="huge",
        ),
        (
            ("channels", "dense", "weights", FREQUENCY_BUCKETS[0]),
            True,
            "head 101+ = True: must be a finite number of at least 0",
        ),
        (
            ("channels", "dense", "weights", FREQUENCY_BUCKETS[0]),
            "1",
            "head 101+ = '1': must be a finite number of at least 0",
        ),
        (("channels", "dense", "exponent"), 0, "fusion.channels.dense.exponent = 0: must be a finite number above 0"),
        (("channels", "dense", "exponent"), float("inf"), "exponent = inf: must be a finite number above 0 (here)"),
        (("channels", "slots", "exponent"), 2, "slots.exponent = 2: must be 1, as values may be negative (here)"),
    ],
)
def test_what_is_no_fusion_is_refused_with_key_value_and_rule(path: tuple[str, ...], value: Any, message: str) -> None:
    one = {"exponent": 1, "weights": dict.fromkeys(FREQUENCY_BUCKETS, 1)}
    tree: Any = {"channels": {"dense": copy.deepcopy(one), "slots": copy.deepcopy(one)}}
    assert len(Fusion.from_json(tree).channels) == 2
    parent = tree
    for key in path[:-1]:
        parent = parent[key]
    if path:
        parent[path[-1]] = value
    with pytest.raises(ConfigError) as caught:
        Fusion.from_json(tree if path else value, "here")
    assert message in str(caught.value)
