"""A micro-batch as tensors, and the states that its label slots show."""

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

    ids_BT: int64 tokens as the model sees them (some masked); originals_BT: as they were; masked_BT: where MLM asks.
    mask_BT: bool, real tokens. weights_B: float32, 0 for padding records.
    labels: int64 label ids of all records behind each other; record b owns labels[offsets[b]:offsets[b + 1]].
    revealed_BV: int64 label ids shown as context (-1: none), revealed_states_BV: their states.
    barred_BN: int64, labels that are no candidates (-1: none).
    asked_BGA: int64 labels that training asks about though the scan may not propose them (-1: none): G groups of a
    true label and A - 1 false ones.
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
    barred_BN: Tensor
    asked_BGA: Tensor = field(default_factory=lambda: torch.empty(0, 0, 0, dtype=torch.long))

    def to(self, device: torch.device) -> "TextBatch":
        """Copy to a device."""
        return TextBatch(*(getattr(self, part.name).to(device, non_blocking=True) for part in fields(self)))

    def revealing(self, given: Sequence[Mapping[int, bool]]) -> "TextBatch":
        """Show known labels instead of what is revealed now: {label id: whether it is true} for each record."""
        ids = [torch.tensor(list(known), dtype=torch.long) for known in given]
        states = [torch.tensor([State.YES if true else State.NO for true in known.values()]).long() for known in given]
        return replace(
            self,
            revealed_BV=pad_sequence(ids, batch_first=True, padding_value=-1),
            revealed_states_BV=pad_sequence(states, batch_first=True, padding_value=State.MASK),
        )

    def barring(self, labels: Sequence[np.ndarray]) -> "TextBatch":
        """Bar further labels: the ids of those of each record."""
        ids_BN = pad_sequence([torch.from_numpy(ids) for ids in labels], batch_first=True, padding_value=-1)
        return replace(self, barred_BN=torch.cat([self.barred_BN, ids_BN], dim=1))

    def records(self) -> float:
        """Count real records."""
        return float(self.weights_B.sum())

    def excluded(self) -> tuple[Tensor, Tensor]:
        """Name all that are no candidates, revealed and barred labels, as pairs (record [N], label [N])."""
        labels_BV = torch.cat([self.revealed_BV, self.barred_BN], dim=1)
        record_N, column_N = (labels_BV >= 0).nonzero(as_tuple=True)
        return record_N, labels_BV[record_N, column_N]

    def asked(self) -> tuple[Tensor, Tensor]:
        """Name what is asked about as pairs (record [N], label [N])."""
        record_N, group_N, place_N = (self.asked_BGA >= 0).nonzero(as_tuple=True)
        return record_N, self.asked_BGA[record_N, group_N, place_N]

    def label_records(self) -> Tensor:
        """Name the record of each entry of `labels`: int64, same length."""
        counts_B = self.label_offsets.diff()
        return torch.repeat_interleave(torch.arange(len(counts_B), device=counts_B.device), counts_B)
