"""The collator: records become the padded and masked tensors of a micro-batch, with the labels that it asks about."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from sharding import COLUMNS, RecordBatch, TokenizerSpec, Vocabulary

from ..config import ClozeSection, DataSection, MlmSection
from .batch import TextBatch
from .masking import RecordKeys, cut_texts, deny_first, mask_tokens, reveal_labels

DRAWN = 8  # false labels of a true one: more than are used, because the scan proposes some of them


@dataclass(frozen=True)
class Injection:
    """Chooses forced candidates.

    Attributes:
        groups: True labels of a record, each with false ones that are near by frequency.
        by_frequency_L: Label ids, the most frequent first.
    """

    groups: int
    by_frequency_L: np.ndarray

    @cached_property
    def rank_L(self) -> np.ndarray:
        """Place of each label by frequency, 0 for the most frequent."""
        return np.argsort(self.by_frequency_L)

    @classmethod
    def of(cls, groups: int, counts_L: np.ndarray) -> "Injection":
        """Order labels from frequent to rare."""
        return cls(groups, np.argsort(-counts_L, kind="stable"))

    def ask(self, labels: np.ndarray, offsets: np.ndarray, hidden_BV: np.ndarray, keys: RecordKeys) -> np.ndarray:
        """Choose for each record true labels that are not hidden, and false ones: [B, groups, 1 + DRAWN], -1: none."""
        true_BG = self._true(labels, offsets, hidden_BV, keys)
        false_BGA = self._near(true_BG, keys)
        size = len(self.by_frequency_L)
        record_B11 = np.arange(len(true_BG))[:, None, None] * size
        owned = np.repeat(record_B11.ravel(), np.diff(offsets)) + labels
        taken_BGA = np.isin(record_B11 + false_BGA, np.append(owned, _keys(hidden_BV, size)))
        false_BGA[taken_BGA | _repeated(false_BGA) | (true_BG < 0)[..., None]] = -1
        return np.concatenate([true_BG[..., None], false_BGA], axis=2)

    def _true(self, labels: np.ndarray, offsets: np.ndarray, hidden_BV: np.ndarray, keys: RecordKeys) -> np.ndarray:
        record_N = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        size = len(self.by_frequency_L)
        hidden_N = np.isin(record_N * size + labels, _keys(hidden_BV, size))
        order_N = np.lexsort((keys.per_label(WHICH, record_N, labels), hidden_N, record_N))
        place_N = np.arange(len(labels)) - offsets[record_N]
        chosen_N = (place_N < self.groups) & ~hidden_N[order_N]
        true_BG = np.full((len(offsets) - 1, self.groups), -1, dtype=np.int64)
        true_BG[record_N[chosen_N], place_N[chosen_N]] = labels[order_N][chosen_N]
        return true_BG

    def _near(self, true_BG: np.ndarray, keys: RecordKeys) -> np.ndarray:
        """Draw labels from a tenth of all that are more frequent, at least 32, and as many that are less."""
        size = len(self.by_frequency_L)
        rank_BG = self.rank_L[true_BG.clip(min=0)]
        reach_BG = np.maximum(32, rank_BG // 10)
        first_BG = np.minimum(rank_BG - reach_BG, size - 1 - 2 * reach_BG).clip(min=0)
        span_BG = np.minimum(2 * reach_BG + 1, size)
        share_BGA = keys.per_column(MATCH, self.groups * DRAWN).reshape(*true_BG.shape, DRAWN)
        return self.by_frequency_L[first_BG[..., None] + (share_BGA * span_BG[..., None]).astype(np.int64)]


def _keys(labels_BV: np.ndarray, size: int) -> np.ndarray:
    """Name pairs (record, label) by one number each; empty places have none."""
    return (np.arange(len(labels_BV))[:, None] * size + labels_BV)[labels_BV >= 0]


def _repeated(labels_BGA: np.ndarray) -> np.ndarray:
    """Mark what stands in its record before."""
    flat_BN = labels_BGA.reshape(len(labels_BGA), -1)
    earlier_NN = np.tri(flat_BN.shape[1], k=-1, dtype=bool)
    return ((flat_BN[:, :, None] == flat_BN[:, None, :]) & earlier_NN).any(axis=2).reshape(labels_BGA.shape)


@dataclass(frozen=True)
class Collator:
    """Collates records; texts are padded to the longest of the batch.

    Attributes:
        spec: Spec of the tokenizer.
        num_labels: Labels of the vocabulary.
        max_tokens: Tokens of a text that are read, special tokens counted.
        seed: Seed of masking and revealing.
        mlm: Settings of masking; None: nothing is masked.
        cloze: Settings of revealing; None: nothing is revealed.
        masked_steps: The last optimizer step whose text is masked; None: all are.
        own_labels: Label ids by name, where a record must not be proposed the label of its own name; records then need
            their `id`, see `columns`.
        injection: What is asked about beside the shortlist.
    """

    spec: TokenizerSpec
    num_labels: int
    max_tokens: int
    seed: int = 0
    mlm: MlmSection | None = None
    cloze: ClozeSection | None = None
    masked_steps: int | None = None
    own_labels: Mapping[str, int] | None = None
    injection: Injection | None = None

    def __call__(self, records: RecordBatch, step: int = 1) -> TextBatch:
        """Build the tensors of one micro-batch of an optimizer step."""
        labels, label_offsets = records.ragged("labels")
        labels = labels.astype(np.int64)
        keys = RecordKeys(self.seed, records.epoch, records.positions)
        revealed_BV, states_BV = self._reveal(labels, label_offsets, keys)
        text = self._cut(*records.ragged("tokens"), revealed_BV.max(axis=1, initial=-1) >= 0, keys)
        ids_BT, mask_BT, maskable_BT = pad_texts(*text, self.spec, self.max_tokens)
        maskable_BT &= (records.weights[:, None] > 0) & (self.masked_steps is None or step <= self.masked_steps)
        corrupted_BT, chosen_BT = self._mask(ids_BT, maskable_BT, keys)
        excluded_BN = self._excluded(records)
        forced_BGA = self._force(labels, label_offsets, np.concatenate([revealed_BV, excluded_BN], axis=1), keys)
        arrays = (corrupted_BT, ids_BT, chosen_BT, mask_BT, records.weights, labels, label_offsets)
        denied_B = self._deny(records.weights, revealed_BV, keys)
        label_arrays = (revealed_BV, states_BV, excluded_BN, forced_BGA, denied_B)
        return TextBatch(*(torch.from_numpy(np.ascontiguousarray(array)) for array in (*arrays, *label_arrays)))

    def _excluded(self, records: RecordBatch) -> np.ndarray:
        if self.own_labels is None:
            return np.empty((len(records.weights), 0), dtype=np.int64)
        own_B = [self.own_labels.get(name, -1) for name in records.table["id"].to_pylist()]
        return np.array(own_B, dtype=np.int64)[:, None]

    def _mask(self, ids_BT: np.ndarray, maskable_BT: np.ndarray, keys: RecordKeys) -> tuple[np.ndarray, np.ndarray]:
        if self.mlm is None or self.mlm.weight == 0:
            return ids_BT, np.zeros_like(maskable_BT)
        return mask_tokens(ids_BT, maskable_BT, keys, self.spec, self.mlm.probability)

    def _cut(
        self, tokens: np.ndarray, offsets: np.ndarray, revealing_B: np.ndarray, keys: RecordKeys
    ) -> tuple[np.ndarray, np.ndarray]:
        if self.cloze is None or not self.cloze.without_text:
            return tokens, offsets
        return cut_texts(tokens, offsets, revealing_B, keys, self.cloze.without_text)

    def _reveal(self, labels: np.ndarray, offsets: np.ndarray, keys: RecordKeys) -> tuple[np.ndarray, np.ndarray]:
        if self.cloze is None or not (self.cloze.reads_context or self.cloze.has_slots):
            nothing = np.empty((len(offsets) - 1, 0), dtype=np.int64)
            return nothing, nothing
        return reveal_labels(labels, offsets, keys, self.num_labels, self.cloze)

    def _deny(self, weights_B: np.ndarray, revealed_BV: np.ndarray, keys: RecordKeys) -> np.ndarray:
        """Choose who denies a label, of those that may reveal one more."""
        if self.cloze is None:
            return np.zeros(len(weights_B), dtype=bool)
        has_room_B = (revealed_BV >= 0).sum(axis=1) < self.cloze.max_context
        return deny_first(weights_B, keys, self.cloze.denied) & has_room_B

    def _force(self, labels: np.ndarray, offsets: np.ndarray, hidden_BV: np.ndarray, keys: RecordKeys) -> np.ndarray:
        if self.injection is None:
            return np.empty((len(offsets) - 1, 0, 0), dtype=np.int64)
        return self.injection.ask(labels, offsets, hidden_BV, keys)


def own_labels(settings: DataSection, vocabulary: Vocabulary) -> Mapping[str, int] | None:
    """Look label ids up by name where own labels are excluded."""
    return vocabulary.ids if settings.bar_own_label else None


def columns(settings: DataSection, *, ids: bool = False) -> tuple[str, ...]:
    """Return the columns of a shard that a collator needs; `ids`: whether the ids of records are needed, too."""
    return (*COLUMNS, "id") if settings.bar_own_label or ids else COLUMNS


def pad_texts(
    tokens: np.ndarray, offsets: np.ndarray, spec: TokenizerSpec, max_tokens: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Put each text between the tokenizer's special tokens, cut to `max_tokens`, padded to the longest.

    An empty text of a tokenizer without special tokens is one padding token, which counts as real: attention and
    pooling must have something to see.

    Args:
        tokens: Tokens of all texts, behind each other.
        offsets: [B + 1], where each text begins.
        spec: Spec of the tokenizer.
        max_tokens: Tokens of a text, special tokens counted.

    Returns:
        (ids [B, T] int64, real tokens [B, T], tokens that MLM may mask [B, T]).
    """
    front, back = np.array(spec.prefix, dtype=np.int64), np.array(spec.suffix, dtype=np.int64)
    lengths_B = np.minimum(np.diff(offsets), max_tokens - len(front) - len(back))
    longest = max(len(front) + lengths_B.max(initial=0) + len(back), 1)
    column_1T = np.arange(longest)[None, :] - len(front)
    is_text_BT = (column_1T >= 0) & (column_1T < lengths_B[:, None])
    ids_BT = np.full(is_text_BT.shape, spec.pad_id, dtype=np.int64)
    ids_BT[is_text_BT] = tokens[(offsets[:-1, None] + column_1T)[is_text_BT]]
    ids_BT[:, : len(front)] = front
    behind_BS = len(front) + lengths_B[:, None] + np.arange(len(back))
    np.put_along_axis(ids_BT, behind_BS, np.broadcast_to(back, behind_BS.shape), axis=1)
    is_real_BT = column_1T < (lengths_B + len(back))[:, None]
    is_real_BT[:, 0] = True
    return ids_BT, is_real_BT, is_text_BT & ~np.isin(ids_BT, spec.special_ids)


WHICH, MATCH = 26, 27
