"""Decides what is read: invented records, kept in one neutral form that every contender converts into its own.

Numbers alone and nothing but numpy, so that every contender's Python can read them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

VOCABULARY, LABELS = 30_000, 50_000
MEAN_TOKENS, MEAN_LABELS = 139.0, 4.2


@dataclass(frozen=True, eq=False)
class Ragged:
    """Lists behind each other: values [sum of lengths], offsets int64 [N + 1]."""

    values: NDArray[np.integer]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def rows(self) -> Iterator[NDArray[np.integer]]:
        """Yield one list after the other."""
        bounds = self.offsets.tolist()
        return (self.values[start:end] for start, end in pairwise(bounds))

    def fingerprint(self) -> NDArray[np.int64]:
        """Sum the values of each list, none of which is empty, by their place in it: int64 [N]."""
        places = np.arange(len(self.values)) - np.repeat(self.offsets[:-1], np.diff(self.offsets))
        return np.add.reduceat(self.values * (1 + places), self.offsets[:-1])


@dataclass(frozen=True, eq=False)
class Records:
    """tokens: uint16 lists; labels: uint32 lists, equally many."""

    tokens: Ragged
    labels: Ragged

    @classmethod
    def invent(cls, count: int) -> "Records":
        """Draw records of uneven lengths, at least one token and one label each; the same ones at each call."""
        draw = np.random.default_rng(0)
        tokens = 1 + draw.poisson(draw.gamma(2, (MEAN_TOKENS - 1) / 2, count))
        labels = 1 + draw.poisson(MEAN_LABELS - 1, count)
        return cls(
            Ragged(draw.integers(VOCABULARY, size=tokens.sum(), dtype=np.uint16), _offsets(tokens)),
            Ragged(draw.integers(LABELS, size=labels.sum(), dtype=np.uint32), _offsets(labels)),
        )

    @classmethod
    def load(cls, folder: Path) -> "Records":
        """Read what `save` wrote."""
        parts = (np.load(folder / name, allow_pickle=False) for name in _FILES)
        return cls(Ragged(next(parts), next(parts)), Ragged(next(parts), next(parts)))

    def save(self, folder: Path) -> None:
        """Write four arrays into an empty folder."""
        parts = (self.tokens.values, self.tokens.offsets, self.labels.values, self.labels.offsets)
        for name, part in zip(_FILES, parts, strict=True):
            np.save(folder / name, part, allow_pickle=False)

    def packed(self) -> Iterator[bytes]:
        """Make each record one string of bytes: the number of its labels in one byte, its labels, its tokens."""
        for labels, tokens in zip(self.labels.rows(), self.tokens.rows(), strict=True):
            yield bytes([len(labels)]) + labels.tobytes() + tokens.tobytes()

    def digest(self) -> int:
        """Add up what the records are, whatever their order: that of two parts is the sum of theirs."""
        return int((self.tokens.fingerprint() * self.labels.fingerprint() % _PRIME).sum())


_FILES = ("tokens.npy", "token_offsets.npy", "labels.npy", "label_offsets.npy")
_PRIME = 2**31 - 1


def _offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)])
