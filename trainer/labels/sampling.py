"""Whether a step of the scan learns from the negatives of a chunk, and what they then count."""

from dataclasses import dataclass

from sharding import uniform

_PURPOSE = 3


@dataclass(frozen=True)
class Sampling:
    """A keyed share of the chunks of each step, weighted by 1 / share: loss and gradients are right on average."""

    share: float = 1.0
    seed: int = 0

    def weight(self, step: int, chunk: int) -> float:
        """Return what the negatives of a chunk of the whole table count; 0: they are left out."""
        if self.share == 1:
            return 1.0
        return 1 / self.share if float(uniform(_PURPOSE, self.seed, step, chunk)) < self.share else 0.0


EXACT = Sampling()
