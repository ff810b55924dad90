"""What is timed in a rank, and which hooks count as what."""

from dataclasses import dataclass, field

ALWAYS = ("PeriodicEvaluation", "PeriodicCheckpoint")  # they are work, no overhead
WITHOUT_EVERY = 3


@dataclass
class Times:
    """Seconds of each step: when it began, how long it took with its data, how long each kind of hook took after it."""

    began: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    hooks: list[dict[str, float]] = field(default_factory=list)
    asking: float = 0.0  # whether to stop, all steps together
    ended: float = 0.0
