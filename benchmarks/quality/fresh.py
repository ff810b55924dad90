"""Which test records are fresh: neither their text nor their title stands in the training split.

Editions of one book, or packages of one source, share texts; what a memory of training records gains on them says
nothing about new ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Repeats:
    """Which of N test records repeat a training record: its whole text, or its title."""

    text_N: Bools
    title_N: Bools

    @property
    def fresh_N(self) -> Bools:
        """Tell which records repeat neither."""
        return ~(self.text_N | self.title_N)


def title(text: str) -> str:
    """Take the first line of a text or, if that is shorter, its first sentence."""
    return text.split("\n", maxsplit=1)[0].split(". ", maxsplit=1)[0].strip()


def repeats(train: Sequence[str], test: Sequence[str]) -> Repeats:
    """Compare texts with texts and titles with titles; white space around them does not count, case does."""
    texts, titles = {text.strip() for text in train}, {title(text) for text in train}
    return Repeats(
        np.array([text.strip() in texts for text in test], dtype=bool),
        np.array([title(text) in titles for text in test], dtype=bool),
    )
