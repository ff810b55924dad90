"""Negative sampling by chunks: which chunks of the scan learn from their negatives, and with which weight."""

from dataclasses import dataclass

from sharding import uniform

_PURPOSE = 3


@dataclass(frozen=True)
class Sampling:
    """A keyed random share of the chunks of each step, weighted by 1 / share: loss and gradients are unbiased.

    Attributes:
        share: Share of the chunks, in (0, 1]; 1: all, exactly.
        seed: Seed of the draws.
    """

    share: float = 1.0
    seed: int = 0

    def weight(self, step: int, chunk: int) -> float:
        """Return the weight of the negatives of a chunk of the whole table; 0: they are left out."""
        if self.share == 1:
            return 1.0
        return 1 / self.share if float(uniform(_PURPOSE, self.seed, step, chunk)) < self.share else 0.0


EXACT = Sampling()
