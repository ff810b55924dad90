"""The micro-batch as tensors, and the states of its label slots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


class State(IntEnum):
    """What a label slot shows."""

    MASK = 0
    YES = 1
    NO = 2


@dataclass(frozen=True)
class TextBatch:
    """B records of at most T tokens.

    Attributes:
        ids_BT: int64, tokens as the model sees them, some masked.
        originals_BT: int64, tokens as they were.
        masked_BT: bool, where MLM asks.
        mask_BT: bool, real tokens.
        weights_B: float32, 0 for padding records.
        labels: int64, label ids of all records behind each other; record b owns
            labels[label_offsets[b] : label_offsets[b + 1]].
        label_offsets: int64 [B + 1].
        revealed_BV: int64, label ids shown as context; -1: none.
        revealed_states_BV: Their states, see `State`.
        excluded_BN: int64, labels that are no candidates; -1: none.
        forced_BGA: int64, forced candidates, which the scan may not propose (-1: none): G groups of a true label and
            A - 1 false ones.
        denied_B: bool, whether training also reveals a false label that the scan ranks first.
    """

    ids_BT: Tensor
    originals_BT: Tensor
    masked_BT: Tensor
    mask_BT: Tensor
    weights_B: Tensor
    labels: Tensor
    label_offsets: Tensor
    revealed_BV: Tensor
    revealed_states_BV: Tensor
    excluded_BN: Tensor
    forced_BGA: Tensor = field(default_factory=lambda: torch.empty(0, 0, 0, dtype=torch.long))
    denied_B: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.bool))

    def to(self, device: torch.device) -> "TextBatch":
        """Copy to a device."""
        return TextBatch(*(getattr(self, part.name).to(device, non_blocking=True) for part in fields(self)))

    def revealing(self, given: Sequence[Mapping[int, bool]]) -> "TextBatch":
        """Return the batch with known labels revealed instead: {label id: whether it is true} for each record."""
        ids = [torch.tensor(list(known), dtype=torch.long) for known in given]
        states = [torch.tensor([State.YES if true else State.NO for true in known.values()]).long() for known in given]
        return replace(
            self,
            revealed_BV=pad_sequence(ids, batch_first=True, padding_value=-1),
            revealed_states_BV=pad_sequence(states, batch_first=True, padding_value=State.MASK),
        )

    def revealing_too(self, ids_BN: Tensor, state: State) -> "TextBatch":
        """Return the batch with further labels revealed in one state: [B, N], -1 where there is none."""
        return replace(
            self,
            revealed_BV=torch.cat([self.revealed_BV, ids_BN], dim=1),
            revealed_states_BV=torch.cat([self.revealed_states_BV, torch.full_like(ids_BN, state)], dim=1),
        )

    def of_texts(self, chosen_N: Tensor) -> "TextBatch":
        """Choose records by their places [N] and keep of them what is asked of a text alone: nothing is revealed."""
        counts_B, first_B = self.label_offsets.diff(), self.label_offsets[:-1]
        label_N = [self.labels[first : first + count] for first, count in zip(first_B, counts_B, strict=True)]
        nothing_N0 = self.revealed_BV[chosen_N, :0]
        return TextBatch(
            ids_BT=self.ids_BT[chosen_N],
            originals_BT=self.originals_BT[chosen_N],
            masked_BT=self.masked_BT[chosen_N],
            mask_BT=self.mask_BT[chosen_N],
            weights_B=self.weights_B[chosen_N],
            labels=torch.cat([self.labels[:0], *(label_N[place] for place in chosen_N.tolist())]),
            label_offsets=torch.cat([first_B.new_zeros(1), counts_B[chosen_N].cumsum(0)]),
            revealed_BV=nothing_N0,
            revealed_states_BV=nothing_N0,
            excluded_BN=self.excluded_BN[chosen_N],
        )

    def excluding(self, labels: Sequence[np.ndarray]) -> "TextBatch":
        """Bar further labels: the ids of those of each record."""
        ids_BN = pad_sequence([torch.from_numpy(ids) for ids in labels], batch_first=True, padding_value=-1)
        return replace(self, excluded_BN=torch.cat([self.excluded_BN, ids_BN], dim=1))

    def records(self) -> float:
        """Count real records."""
        return float(self.weights_B.sum())

    def withheld(self) -> tuple[Tensor, Tensor]:
        """Return all that are no candidates, revealed and excluded labels, as pairs (record [N], label [N])."""
        labels_BV = torch.cat([self.revealed_BV, self.excluded_BN], dim=1)
        record_N, column_N = (labels_BV >= 0).nonzero(as_tuple=True)
        return record_N, labels_BV[record_N, column_N]

    def forced(self) -> tuple[Tensor, Tensor]:
        """Return forced candidates as pairs (record [N], label [N])."""
        record_N, group_N, place_N = (self.forced_BGA >= 0).nonzero(as_tuple=True)
        return record_N, self.forced_BGA[record_N, group_N, place_N]

    def label_records(self) -> Tensor:
        """Return the record of each entry of `labels`: int64, same length."""
        counts_B = self.label_offsets.diff()
        records_B = torch.arange(len(counts_B), device=counts_B.device)
        return torch.repeat_interleave(records_B, counts_B, output_size=len(self.labels))  # a GPU is not asked for it
