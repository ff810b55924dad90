"""Masking for training: masked tokens of the text (MLM), and labels that are revealed as context (label mask).

Source of the label mask: Song et al., Label Mask for Multi-Label Text Classification (LM-MTC, arXiv:2106.10076).

All randomness is keyed by (seed, epoch, position of the record in the epoch's order): it depends neither on the world
size nor on batches. B records, T tokens, V revealed slots, N labels of all records behind each other.
"""

from dataclasses import dataclass

import numpy as np

from sharding import TokenizerSpec, uniform

from ..config import ClozeSection
from .batch import State

CHOOSE, CORRUPT, REPLACE, REVEAL_ANY, REVEAL_COUNT, REVEAL_WHICH, FLIP, FLIP_TO, DENY_COUNT, DENY_WHICH = range(16, 26)
REVEAL_MOST, DENY_ANY, CUT_ANY, CUT_LENGTH = range(26, 30)
SHORTEST = 8  # a text that is cut keeps fewer tokens than this


@dataclass(frozen=True)
class RecordKeys:
    """The key of a batch's randomness.

    Attributes:
        seed: Seed of the run.
        epoch: Epoch of the records.
        positions_B: Their places in the epoch's order.
    """

    seed: int
    epoch: int
    positions_B: np.ndarray

    def per_record(self, purpose: int) -> np.ndarray:
        """Draw one number in [0, 1) a record: [B]."""
        return uniform(purpose, self.seed, self.epoch, self.positions_B)

    def per_column(self, purpose: int, columns: int) -> np.ndarray:
        """Draw [B, columns] numbers."""
        return uniform(purpose, self.seed, self.epoch, self.positions_B[:, None], np.arange(columns)[None, :])

    def per_label(self, purpose: int, record_N: np.ndarray, label_N: np.ndarray) -> np.ndarray:
        """Draw one number for each label of each record: [N]."""
        return uniform(purpose, self.seed, self.epoch, self.positions_B[record_N], label_N)


def mask_tokens(
    ids_BT: np.ndarray, maskable_BT: np.ndarray, keys: RecordKeys, spec: TokenizerSpec, probability: float
) -> tuple[np.ndarray, np.ndarray]:
    """Choose tokens for MLM and corrupt them as BERT does: 80 % mask, 10 % any token, 10 % left as they are.

    Source: Devlin, Chang, Lee, Toutanova, BERT, NAACL 2019 (arXiv:1810.04805).

    Args:
        ids_BT: Tokens.
        maskable_BT: bool, which may be chosen.
        keys: Keys of the randomness.
        spec: Spec of the tokenizer.
        probability: The probability with which a token is chosen.

    Returns:
        (corrupted ids [B, T], chosen [B, T]).
    """
    columns = ids_BT.shape[1]
    chosen_BT = maskable_BT & (keys.per_column(CHOOSE, columns) < probability)
    fate_BT = keys.per_column(CORRUPT, columns)
    random_BT = (keys.per_column(REPLACE, columns) * spec.vocabulary_size).astype(ids_BT.dtype)
    corrupted_BT = np.where(fate_BT < 0.8, spec.mask_id, np.where(fate_BT < 0.9, random_BT, ids_BT))
    return np.where(chosen_BT, corrupted_BT, ids_BT), chosen_BT


def reveal_labels(
    labels: np.ndarray, offsets: np.ndarray, keys: RecordKeys, num_labels: int, settings: ClozeSection
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the labels that a record shows as context: true ones as YES and, beside them, false ones as NO.

    Args:
        labels: True label ids of all records behind each other.
        offsets: [B + 1].
        keys: Keys of the randomness.
        num_labels: Labels of the vocabulary.
        settings: How many labels are shown.

    Returns:
        (ids [B, V], -1 where there is none; states [B, V]). V is at least 1 wherever anything may be shown: ranks must
        run the same passes, or their gradients become ready in another order, and ZeRO-2 mixes them up.
    """
    yes_BV = _affirm(labels, offsets, keys, num_labels, settings)
    no_BV = _deny(yes_BV, labels, offsets, keys, num_labels, settings)
    states = [np.full_like(yes_BV, State.YES), np.full_like(no_BV, State.NO)]
    return np.concatenate([yes_BV, no_BV], axis=1), np.concatenate(states, axis=1)


def _affirm(
    labels: np.ndarray, offsets: np.ndarray, keys: RecordKeys, num_labels: int, settings: ClozeSection
) -> np.ndarray:
    """Show none with probability `all_masked`, else m ~ U{0..P-1} of the P true labels, or P-1 (`nearly_all`).

    Never all, which would teach that what is not shown is NO, and never more than `max_context`. A flip shows a false
    label in the place of a true one.
    """
    counts_B = np.diff(offsets)
    record_N = np.repeat(np.arange(len(counts_B)), counts_B)
    shown_B = (keys.per_record(REVEAL_COUNT) * counts_B).astype(np.int64)
    most_B = keys.per_record(REVEAL_MOST) < settings.nearly_all
    shown_B = np.minimum(np.where(most_B, np.maximum(counts_B - 1, 0), shown_B), settings.max_context)
    shown_B[keys.per_record(REVEAL_ANY) < settings.all_masked] = 0
    order_N = np.lexsort((keys.per_label(REVEAL_WHICH, record_N, labels), record_N))
    place_N = np.arange(len(labels)) - offsets[record_N]
    revealed_BV = np.full((len(counts_B), shown_B.max(initial=int(settings.all_masked < 1))), -1, dtype=np.int64)
    chosen_N = place_N < shown_B[record_N]
    shown = _flip(labels[order_N], record_N, keys, num_labels, settings.flip)
    revealed_BV[record_N[chosen_N], place_N[chosen_N]] = shown[chosen_N]
    return revealed_BV


def _flip(
    label_N: np.ndarray, record_N: np.ndarray, keys: RecordKeys, num_labels: int, probability: float
) -> np.ndarray:
    """Replace some labels by random ones that are false for their record."""
    other_N = (keys.per_label(FLIP_TO, record_N, label_N) * num_labels).astype(np.int64)
    is_true_N = np.isin(record_N * num_labels + other_N, record_N * num_labels + label_N)
    flipped_N = (keys.per_label(FLIP, record_N, label_N) < probability) & ~is_true_N
    return np.where(flipped_N, other_N, label_N)


def _deny(
    yes_BV: np.ndarray,
    labels: np.ndarray,
    offsets: np.ndarray,
    keys: RecordKeys,
    num_labels: int,
    settings: ClozeSection,
) -> np.ndarray:
    """Draw about `shown_no` false labels for each that is shown as YES; a draw that is taken is left out.

    Together they are never more than `max_context`.
    """
    per_yes, shown_B = settings.shown_no, (yes_BV >= 0).sum(axis=1)
    wanted_B = np.floor(per_yes * shown_B + keys.per_record(DENY_COUNT) * (shown_B > 0) * (per_yes > 0))
    wanted_B = np.minimum(wanted_B.astype(np.int64), settings.max_context - shown_B)
    columns = np.arange(wanted_B.max(initial=0))
    drawn_BV = (keys.per_column(DENY_WHICH, len(columns)) * num_labels).astype(np.int64)
    first_of_record_B1 = np.arange(len(yes_BV))[:, None] * num_labels
    true = np.repeat(first_of_record_B1[:, 0], np.diff(offsets)) + labels
    taken_BV = np.isin(first_of_record_B1 + drawn_BV, np.append(true, (first_of_record_B1 + yes_BV)[yes_BV >= 0]))
    repeated_BV = ((drawn_BV[:, :, None] == drawn_BV[:, None, :]) & (columns[:, None] > columns)).any(axis=2)
    return np.where(taken_BV | repeated_BV | (columns >= wanted_B[:, None]), -1, drawn_BV)


def deny_first(weights_B: np.ndarray, keys: RecordKeys, probability: float) -> np.ndarray:
    """Choose the real records that reveal as NO what the scan ranks first of the false labels: bool [B]."""
    return (keys.per_record(DENY_ANY) < probability) & (weights_B > 0)


def cut_texts(
    tokens: np.ndarray, offsets: np.ndarray, revealing_B: np.ndarray, keys: RecordKeys, probability: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cut some of the texts that are read with labels to k ~ U{0..7} tokens: labels alone must then be used.

    Args:
        tokens: Tokens of all texts, behind each other.
        offsets: [B + 1].
        revealing_B: bool, which texts are read with labels.
        keys: Keys of the randomness.
        probability: The probability with which such a text is cut.

    Returns:
        (tokens behind each other, offsets [B + 1]).
    """
    cut_B = revealing_B & (keys.per_record(CUT_ANY) < probability)
    kept_B = (keys.per_record(CUT_LENGTH) * SHORTEST).astype(np.int64)
    lengths_B = np.where(cut_B, np.minimum(np.diff(offsets), kept_B), np.diff(offsets))
    place_N = np.arange(len(tokens)) - np.repeat(offsets[:-1], np.diff(offsets))
    kept_N = place_N < np.repeat(lengths_B, np.diff(offsets))
    return tokens[kept_N], np.append(0, np.cumsum(lengths_B))
