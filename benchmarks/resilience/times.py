"""What is timed in a rank, and which callbacks count as what."""

from dataclasses import dataclass, field

ALWAYS = ("EvaluationCallback", "CheckpointCallback")  # they are work, no overhead
WITHOUT_EVERY = 3


@dataclass
class Times:
    """Seconds of each step: when it began, how long it took with its data, how long each kind of callback took."""

    began: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    callbacks: list[dict[str, float]] = field(default_factory=list)
    asking: float = 0.0  # whether to stop, all steps together
    ended: float = 0.0
