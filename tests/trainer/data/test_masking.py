"""What training hides and shows: rates within what chance allows, and nothing that must stay."""

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare

from sharding import TokenizerSpec
from trainer.config import ClozeSection
from trainer.data import State
from trainer.data.masking import SHORTEST, RecordKeys, cut_texts, deny_first, mask_tokens, reveal_labels

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


def reveal(**chosen: float) -> tuple[np.ndarray, np.ndarray]:
    """Reveal labels of records that have 5 of 200 each: record b has those from 5 b on, modulo 200."""
    labels = np.arange(RECORDS * POSITIVES) % NUM_LABELS
    settings = ClozeSection.model_validate({"slots": "shortlist", "context": "none", "all_masked": 0.0} | chosen)
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


def test_a_share_of_the_records_that_reveal_show_all_labels_but_one() -> None:
    shown_B = (reveal(all_masked=0.3, nearly_all=0.4)[0] >= 0).sum(axis=1)
    assert shown_B.max() == POSITIVES - 1
    assert_share(shown_B == POSITIVES - 1, 0.7 * (0.4 + 0.6 / POSITIVES))
    assert_share(shown_B == 0, 0.3 + 0.7 * 0.6 / POSITIVES)
    assert bool((reveal(nearly_all=1.0)[0] >= 0).all())


def test_no_record_reveals_more_labels_than_a_text_is_read_with() -> None:
    revealed_BV, states_BV = reveal(nearly_all=0.5, max_context=3, shown_no=2.0)
    assert (revealed_BV >= 0).sum(axis=1).max() == 3
    yes_B, no_B = (((states_BV == state) & (revealed_BV >= 0)).sum(axis=1) for state in (State.YES, State.NO))
    assert set(yes_B) == {0, 1, 2, 3}
    assert [no_B[yes_B == shown].max() for shown in range(4)] == [0, 2, 1, 0]
    assert_share(yes_B == 3, 0.5 + 0.5 * 2 / POSITIVES)


def test_some_of_the_texts_that_are_read_with_labels_are_cut_to_a_few_tokens() -> None:
    lengths_B = np.where(np.arange(RECORDS) % 2, 20, 3)
    tokens, offsets = np.arange(lengths_B.sum()), np.append(0, np.cumsum(lengths_B))
    revealing_B = np.arange(RECORDS) % 4 >= 2
    kept, kept_offsets = cut_texts(tokens, offsets, revealing_B, keys(RECORDS), 0.3)
    kept_B = np.diff(kept_offsets)
    first_of_each = zip(offsets[:-1], kept_B, strict=True)
    assert np.array_equal(kept, np.concatenate([np.arange(start, start + own) for start, own in first_of_each]))
    assert np.array_equal(kept_B[~revealing_B], lengths_B[~revealing_B])
    long_B = revealing_B & (lengths_B == 20)
    assert_share(kept_B[long_B] < SHORTEST, 0.3)
    assert chisquare(np.bincount(kept_B[long_B & (kept_B < SHORTEST)], minlength=SHORTEST)).pvalue > CHANCE
    assert kept_B[revealing_B & ~long_B].max() == 3  # a text never becomes longer


def test_a_share_of_the_real_records_denies() -> None:
    weights_B = (np.arange(RECORDS) % 4 > 0).astype(np.float32)
    denied_B = deny_first(weights_B, keys(RECORDS), 0.2)
    assert_share(denied_B[weights_B > 0], 0.2)
    assert not denied_B[weights_B == 0].any()
    assert not deny_first(weights_B, keys(RECORDS), 0.0).any()
