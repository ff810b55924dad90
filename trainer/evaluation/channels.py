"""Channels: what several rankings of the same candidates say of each, the input of late fusion.

N records, K candidates of each, L labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .frequency_buckets import FREQUENCY_BUCKETS
from .ranking import Bools, Floats, Ints

LOGITS = ("context", "slots")  # may be negative: exponent 1
VOTES = ("dense", "sparse")  # in [0, 1]
CHANNELS = (*LOGITS, *VOTES)


@dataclass(frozen=True, eq=False)
class Channels:
    """Candidates of N records, in any order, and what each channel says of them; all arrays are [N, K].

    Attributes:
        ids_NK: label ids, int64, each at most once a record; -1 where there is no candidate.
        base_NK: the text scan's logits, finite; -inf where there is no candidate.
        others: finite values by channel. "context": the logit of the scan that has seen revealed labels, minus the
            text scan's. "slots": the cloze's logit. "dense", "sparse": the share of votes that the nearest training
            records, by that kind of key, cast for a label, in [0, 1]; 0 without a vote.

    Raises:
        ValueError: Shapes differ, a channel is none of CHANNELS, or a value is out of bounds.
    """

    ids_NK: Ints
    base_NK: Floats
    others: Mapping[str, Floats]

    def __post_init__(self) -> None:
        for name, values_NK in {"ids": self.ids_NK, "base": self.base_NK, **self.others}.items():
            found, wanted = values_NK.shape, self.ids_NK.shape
            if len(found) != 2 or found != wanted:
                raise ValueError(f"{name}: has shape {found}: must be [records, candidates], as ids have, {wanted}")
        if not np.where(self.ids_NK >= 0, np.isfinite(self.base_NK), self.base_NK == -np.inf).all():
            raise ValueError("base: must be finite where there is a candidate, and -inf where there is none")
        for name, values_NK in self.others.items():
            if name not in CHANNELS:
                raise ValueError(f"{name}: must be one of {', '.join(CHANNELS)}")
            if not np.isfinite(values_NK).all():
                raise ValueError(f"{name}: must be finite, also where there is no candidate: use 0 there")
            if name in VOTES and (values_NK < 0).any():
                raise ValueError(f"{name}: has {values_NK.min()}: votes must be at least 0")

    @classmethod
    def join(cls, parts: Sequence["Channels"]) -> "Channels":
        """Put the records of at least one batch behind each other; K becomes the largest K of any of them.

        Raises:
            ValueError: Batches have different channels.
        """
        names = sorted(parts[0].others)
        for part in parts:
            if sorted(part.others) != names:
                raise ValueError(f"channels: {sorted(part.others)}: must be those of the first batch, {names}")
        width = max(part.ids_NK.shape[1] for part in parts)
        return cls(
            _stack([part.ids_NK for part in parts], width, -1),
            _stack([part.base_NK for part in parts], width, -np.inf),
            {name: _stack([part.others[name] for part in parts], width, 0) for name in names},
        )

    def take(self, records: Ints | Bools) -> "Channels":
        """Choose records by index or mask."""
        others = {name: values_NK[records] for name, values_NK in self.others.items()}
        return Channels(self.ids_NK[records], self.base_NK[records], others)

    def by_label_id(self) -> "Channels":
        """Order the candidates of each record by label id, so that the first of equal scores is the one that wins."""
        order_NK = np.argsort(np.where(self.ids_NK < 0, np.iinfo(np.int64).max, self.ids_NK), axis=1, kind="stable")
        others = {name: np.take_along_axis(values_NK, order_NK, axis=1) for name, values_NK in self.others.items()}
        ids_NK = np.take_along_axis(self.ids_NK, order_NK, axis=1)
        return Channels(ids_NK, np.take_along_axis(self.base_NK, order_NK, axis=1), others)

    def bands_NK(self, training_records_L: Ints) -> Ints:
        """Name the band of each candidate: its place in BANDS; any where there is no candidate."""
        counts_NK = training_records_L[self.ids_NK]
        return np.stack([band.of(counts_NK) for band in FREQUENCY_BUCKETS]).argmax(axis=0)


def _stack(parts: Sequence[np.ndarray], width: int, fill: float) -> np.ndarray:
    widened = [np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=fill) for part in parts]
    return np.concatenate(widened)
