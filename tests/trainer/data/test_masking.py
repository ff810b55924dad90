"""What training hides and shows: rates within what chance allows, and nothing that must stay."""

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare

from sharding import TokenizerSpec
from trainer.config import ClozeSection
from trainer.data import State
from trainer.data.masking import RecordKeys, mask_tokens, reveal_labels

SPEC = TokenizerSpec("", 1000, prefix=(1,), suffix=(2,), mask_id=3, pad_id=0, special_ids=(0, 1, 2, 3))
RECORDS, POSITIVES, NUM_LABELS = 4000, 5, 200

# The numbers are keyed, so a test gives one answer for ever; a fair one fails with this probability.
CHANCE = 1e-4


def keys(records: int, epoch: int = 0) -> RecordKeys:
    return RecordKeys(seed=11, epoch=epoch, positions_B=np.arange(records))


def assert_share(hits: np.ndarray, probability: float) -> None:
    assert binomtest(int(hits.sum()), hits.size, probability).pvalue > CHANCE


def test_fifteen_percent_are_chosen_and_of_these_eighty_ten_ten() -> None:
    ids_BT = np.full((200, 100), 500)
    corrupted_BT, chosen_BT = mask_tokens(ids_BT, np.ones_like(ids_BT, dtype=bool), keys(200), SPEC, 0.15)
    assert_share(chosen_BT, 0.15)
    assert_share(corrupted_BT[chosen_BT] == SPEC.mask_id, 0.8 + 0.1 / SPEC.vocabulary_size)
    assert_share(corrupted_BT[chosen_BT] == 500, 0.1 + 0.1 / SPEC.vocabulary_size)
    others = corrupted_BT[chosen_BT & ~np.isin(corrupted_BT, [SPEC.mask_id, 500])]
    assert 0 <= others.min() < 50  # from the whole vocabulary
    assert 950 < others.max() < SPEC.vocabulary_size


def test_only_maskable_tokens_change() -> None:
    ids_BT = np.arange(6000).reshape(60, 100) % 1000
    maskable_BT = ids_BT % 3 == 0
    corrupted_BT, chosen_BT = mask_tokens(ids_BT, maskable_BT, keys(60), SPEC, 0.9)
    assert not (chosen_BT & ~maskable_BT).any()
    assert np.array_equal(corrupted_BT[~chosen_BT], ids_BT[~chosen_BT])


def test_every_epoch_masks_anew() -> None:
    ids_BT = np.full((20, 50), 500)
    first, second = (mask_tokens(ids_BT, ids_BT > 0, keys(20, epoch), SPEC, 0.15)[1] for epoch in (0, 1))
    assert (first != second).any()


def reveal(all_masked: float = 0.0, flip: float = 0.0, shown_no: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Reveal labels of records that have 5 of 200 each: record b has those from 5 b on, modulo 200."""
    labels = np.arange(RECORDS * POSITIVES) % NUM_LABELS
    settings = ClozeSection(slots="shortlist", context="none", all_masked=all_masked, flip=flip, shown_no=shown_no)
    return reveal_labels(labels, np.arange(RECORDS + 1) * POSITIVES, keys(RECORDS), NUM_LABELS, settings)


def own_labels() -> np.ndarray:
    return (np.arange(RECORDS * POSITIVES) % NUM_LABELS).reshape(RECORDS, POSITIVES)


def test_how_many_labels_are_shown_is_uniform_and_never_all() -> None:
    revealed_BV, _ = reveal()
    counts = np.bincount((revealed_BV >= 0).sum(axis=1))
    assert len(counts) == POSITIVES
    assert chisquare(counts).pvalue > CHANCE


def test_a_share_of_records_shows_nothing() -> None:
    shown_B = (reveal(all_masked=0.6)[0] >= 0).sum(axis=1)
    assert_share(shown_B == 0, 0.6 + 0.4 / POSITIVES)
    assert reveal(all_masked=1.0)[0].shape == (RECORDS, 0)


def test_shown_labels_are_distinct_ones_of_the_record_each_equally_often() -> None:
    revealed_BV, states_BV = reveal()
    places = np.zeros(POSITIVES)
    for shown_V, own_P in zip(revealed_BV, own_labels(), strict=True):
        shown = shown_V[shown_V >= 0]
        assert len(set(shown)) == len(shown)
        assert set(shown) <= set(own_P)
        places += np.isin(own_P, shown)
    # Without replacement the places are, if anything, more even than a multinomial.
    assert chisquare(places).pvalue > CHANCE
    assert (states_BV == State.YES).all()


def test_a_flip_shows_a_false_label() -> None:
    flipped_BV, truly_BV = reveal(flip=0.3)[0], reveal()[0]
    shown = truly_BV >= 0
    assert np.array_equal(flipped_BV >= 0, shown)
    own_BVP = np.broadcast_to(own_labels()[:, None, :], (*flipped_BV.shape, POSITIVES))
    is_false = ~(own_BVP == flipped_BV[..., None]).any(axis=2)
    assert np.array_equal(is_false[shown], (flipped_BV != truly_BV)[shown])
    # A label drawn at random is true with probability 5 / 200: then nothing is flipped.
    assert_share(is_false[shown], 0.3 * (1 - POSITIVES / NUM_LABELS))


def test_false_labels_are_shown_as_no_beside_true_ones() -> None:
    revealed_BV, states_BV = reveal(flip=0.2, shown_no=1.5)
    yes_BV, no_BV = (np.where(states_BV == state, revealed_BV, -1) for state in (State.YES, State.NO))
    assert np.array_equal(yes_BV[:, : POSITIVES - 1], reveal(flip=0.2)[0])
    for no_V, yes_V, own_P in zip(no_BV, yes_BV, own_labels(), strict=True):
        shown = no_V[no_V >= 0]
        assert len(set(shown)) == len(shown) <= 1.5 * (yes_V >= 0).sum() + 1
        assert not set(shown) & {*yes_V, *own_P}
    # Of what is drawn, few are left out: a label is true, shown or drawn before with a probability of at most 15 / 200.
    assert 0.9 < (no_BV >= 0).sum() / (1.5 * (yes_BV >= 0).sum()) <= 1.1


@pytest.mark.parametrize("positives", [0, 1])
def test_a_record_with_at_most_one_label_shows_none(positives: int) -> None:
    settings = ClozeSection(all_masked=0.0, shown_no=2.0)
    revealed_BV, states_BV = reveal_labels(
        np.arange(3 * positives), np.arange(4) * positives, keys(3), NUM_LABELS, settings
    )
    assert revealed_BV.shape == states_BV.shape == (3, 1)  # an empty slot, so that all ranks run the same passes
    assert (revealed_BV == -1).all()
