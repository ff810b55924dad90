"""What is found on dev records, against loops and against what was planted."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.evaluation.channel_cases import (
    TRAIN_RECORDS,
    TRAINING_RECORDS,
    Judged,
    judged,
    precision_by_loop,
    ranked_by_loop,
)
from trainer.evaluation import Channels, Fusion, FusionFit, fit_fusion

PSP = ("PSP@1", "PSP@3", "PSP@5")


def fit(data: Judged, *, keep_propensity: bool = False) -> FusionFit:
    truth = data.labels, data.offsets
    return fit_fusion(data.channels, *truth, TRAINING_RECORDS, TRAIN_RECORDS, keep_propensity=keep_propensity)


@given(judged(at_least=1).filter(lambda data: len(data.labels) > 0), st.booleans())
def test_figures_equal_a_loop_and_are_never_worse_than_the_scans(data: Judged, keep_propensity: bool) -> None:  # noqa: FBT001
    found = fit(data, keep_propensity=keep_propensity)
    for name, fusion in (("before", Fusion.none()), ("after", found.fusion)):
        wanted = precision_by_loop(ranked_by_loop(fusion, data.channels), data.true)
        assert {metric: found.figures[name][metric] for metric in wanted} == pytest.approx(wanted)
    before, after = found.figures["before"], found.figures["after"]
    assert after["objective"] >= before["objective"] - 1e-12  # sums of floats in another order
    if keep_propensity:
        assert all(after[metric] >= before[metric] - 1e-12 for metric in PSP)
    assert [each.name for each in found.fusion.channels] == [
        name for name in ("context", "slots", "dense", "sparse") if name in data.channels.others
    ]


def test_without_a_labelled_record_nothing_is_fitted_and_figures_are_unknown() -> None:
    channels = Channels(np.array([[1, 2]]), np.zeros((1, 2)), {"dense": np.array([[0.0, 1.0]])})
    found = fit(Judged(channels, np.array([], dtype=np.int64), np.array([0, 0])))
    assert found.fusion.used == ()
    assert np.isnan([found.figures["before"]["objective"], found.figures["after"]["P@1"]]).all()


LABELS = 400
# Of these labels a fifth is in each of head and torso, and half in the tail.
COUNTS, BANDS_L = (np.repeat(values, [80, 80, 200, 40]) for values in ([400, 50, 5, 0], range(4)))


def planted(
    seed: int,
    votes: tuple[float, ...],
    *,
    records: int = 1500,
    candidates: int = 40,
    true: tuple[float, ...] = (0.08, 0.08, 0.08, 0.08),
) -> Judged:
    """Draw records; by band, the chance of a candidate to be true, and of a true one to get a dense vote.

    The base knows something. A false candidate gets a vote with a chance of 0.05, and the other channels know nothing.
    """
    generator = np.random.default_rng(seed)
    ids_NK = np.stack([generator.permutation(LABELS)[:candidates] for _ in range(records)])
    bands_NK = BANDS_L[ids_NK]
    true_NK = generator.random(ids_NK.shape) < np.array(true)[bands_NK]
    base_NK = (1.5 * true_NK + generator.normal(size=ids_NK.shape)).astype(np.float32)
    chance_NK = np.where(true_NK, np.maximum(0.05, np.array(votes)[bands_NK]), 0.05)
    others = {
        "dense": (generator.random(ids_NK.shape) < chance_NK) * generator.random(ids_NK.shape),
        "sparse": (generator.random(ids_NK.shape) < 0.05) * generator.random(ids_NK.shape),
        "slots": generator.normal(size=ids_NK.shape),
        "context": 0.3 * generator.normal(size=ids_NK.shape),
    }
    channels = Channels(ids_NK, base_NK, {name: values.astype(np.float32) for name, values in others.items()})
    return Judged(channels, ids_NK[true_NK], np.append(0, np.cumsum(true_NK.sum(axis=1))))


def fit_planted(data: Judged, *, keep_propensity: bool = False) -> FusionFit:
    return fit_fusion(data.channels, data.labels, data.offsets, COUNTS, 3000, keep_propensity=keep_propensity)


@pytest.mark.parametrize("seed", range(4))
def test_useless_channels_get_weight_zero(seed: int) -> None:
    found = fit_planted(planted(seed, (0.0,) * 4))
    assert found.fusion.used == ()
    assert found.figures["after"] == found.figures["before"]


@pytest.mark.parametrize("seed", range(4))
def test_an_informative_channel_is_found_among_useless_ones_and_helps_other_records(seed: int) -> None:
    found = fit_planted(planted(seed, (0.5,) * 4))
    (used,) = found.fusion.used
    assert used.name == "dense"
    other = planted(seed + 100, (0.5,) * 4)
    assert objective(other, found.fusion) > objective(other, Fusion.none()) + 0.05


def test_a_channel_that_knows_one_band_alone_gets_more_weight_there() -> None:
    found = fit_planted(planted(0, (0.0, 0.0, 0.7, 0.0)))
    (used,) = found.fusion.used
    head, torso, tail, _unseen = used.weights
    assert tail > max(head, torso)


def test_a_channel_that_is_the_same_in_all_bands_gets_one_weight() -> None:
    (used,) = fit_planted(planted(1, (0.5,) * 4)).fusion.used
    assert len(set(used.weights)) == 1


def test_psp_is_lost_for_precision_unless_it_is_to_be_kept() -> None:
    # The votes go to all labels of the head, whose labels are true more often than the base knows, and know the tail.
    data = planted(0, (0.0, 0.0, 0.3, 0.0), true=(0.25, 0.05, 0.05, 0.05))
    dense_NK = np.where(COUNTS[data.channels.ids_NK] > 100, np.float32(1), data.channels.others["dense"])
    channels = Channels(data.channels.ids_NK, data.channels.base_NK, {"dense": dense_NK})
    voted = Judged(channels, data.labels, data.offsets)
    free, kept = fit_planted(voted).figures, fit_planted(voted, keep_propensity=True).figures
    assert free["after"]["objective"] > kept["after"]["objective"] > kept["before"]["objective"] + 0.02
    assert any(free["after"][metric] < free["before"][metric] - 0.02 for metric in PSP)
    assert all(kept["after"][metric] >= kept["before"][metric] for metric in PSP)


@given(
    st.integers(0, 2**32),
    st.tuples(*[st.floats(0, 1)] * 4),
    st.integers(1, 60),
    st.integers(0, 12),
    st.booleans(),
)
def test_whatever_channels_know_the_fusion_is_not_worse_than_the_scan(
    seed: int,
    votes: tuple[float, ...],
    records: int,
    candidates: int,
    keep_propensity: bool,  # noqa: FBT001
) -> None:
    data = planted(seed, votes, records=records, candidates=candidates, true=(0.3, 0.3, 0.3, 0.3))
    found = fit_planted(data, keep_propensity=keep_propensity)
    if len(data.labels):
        assert objective(data, found.fusion) >= objective(data, Fusion.none()) - 1e-12


def test_a_fit_is_the_same_each_time_and_in_any_order_of_candidates_and_channels() -> None:
    data = planted(2, (0.5, 0.2, 0.1, 0.0), records=300)
    order = np.random.default_rng(0).permutation(data.channels.ids_NK.shape[1])
    others = {name: values[:, order] for name, values in reversed(data.channels.others.items())}
    moved = Channels(data.channels.ids_NK[:, order], data.channels.base_NK[:, order], others)
    first = fit_planted(data)
    assert fit_planted(replace(data, channels=moved)) == first
    assert fit_planted(data) == first


def objective(data: Judged, fusion: Fusion) -> float:
    """Count the mean of P@1, P@3 and P@5."""
    ids_NK, _ = fusion.rank(data.channels, COUNTS, 5)
    rows = [(ids, true) for ids, true in zip(ids_NK.tolist(), data.true, strict=True) if true]
    return sum(len(true & set(ids[:k])) / k for ids, true in rows for k in (1, 3, 5)) / 3 / len(rows)
