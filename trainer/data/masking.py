"""What training hides and shows: masked tokens of the text, and labels revealed as context.

All randomness is keyed by (seed, epoch, position of the record in the epoch's order): it depends neither on the world
size nor on batches. B records, T tokens, V revealed slots, N labels of all records behind each other.
"""

from dataclasses import dataclass

import numpy as np

from sharding import TokenizerSpec, uniform

from .batch import State

CHOOSE, CORRUPT, REPLACE, REVEAL_ANY, REVEAL_COUNT, REVEAL_WHICH, FLIP, FLIP_TO = range(16, 24)


@dataclass(frozen=True)
class RecordKeys:
    """What the randomness of a batch depends on."""

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

    Returns (corrupted ids [B, T], chosen [B, T]).
    """
    columns = ids_BT.shape[1]
    chosen_BT = maskable_BT & (keys.per_column(CHOOSE, columns) < probability)
    fate_BT = keys.per_column(CORRUPT, columns)
    random_BT = (keys.per_column(REPLACE, columns) * spec.vocabulary_size).astype(ids_BT.dtype)
    corrupted_BT = np.where(fate_BT < 0.8, spec.mask_id, np.where(fate_BT < 0.9, random_BT, ids_BT))
    return np.where(chosen_BT, corrupted_BT, ids_BT), chosen_BT


def reveal_labels(
    labels: np.ndarray, offsets: np.ndarray, keys: RecordKeys, num_labels: int, all_masked: float, flip: float
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the labels that a record shows as context.

    With probability `all_masked` none, else m ~ U{0..P-1} of its P positives: never all, which would teach that what
    is not shown is NO. With probability `flip` a shown label is replaced by a false one. Returns (ids [B, V], -1 where
    there is none; states [B, V]).
    """
    counts_B = np.diff(offsets)
    record_N = np.repeat(np.arange(len(counts_B)), counts_B)
    shown_B = (keys.per_record(REVEAL_COUNT) * counts_B).astype(np.int64)
    shown_B[keys.per_record(REVEAL_ANY) < all_masked] = 0
    order_N = np.lexsort((keys.per_label(REVEAL_WHICH, record_N, labels), record_N))
    place_N = np.arange(len(labels)) - offsets[record_N]
    revealed_BV = np.full((len(counts_B), shown_B.max(initial=0)), -1, dtype=np.int64)
    chosen_N = place_N < shown_B[record_N]
    shown = _flip(labels[order_N], record_N, keys, num_labels, flip)
    revealed_BV[record_N[chosen_N], place_N[chosen_N]] = shown[chosen_N]
    return revealed_BV, np.full_like(revealed_BV, State.YES)


def _flip(
    label_N: np.ndarray, record_N: np.ndarray, keys: RecordKeys, num_labels: int, probability: float
) -> np.ndarray:
    """Replace some labels by random ones that are false for their record."""
    other_N = (keys.per_label(FLIP_TO, record_N, label_N) * num_labels).astype(np.int64)
    is_true_N = np.isin(record_N * num_labels + other_N, record_N * num_labels + label_N)
    flipped_N = (keys.per_label(FLIP, record_N, label_N) < probability) & ~is_true_N
    return np.where(flipped_N, other_N, label_N)
