"""Who is killed when: random, and the same again for the same seed."""

import random
from dataclasses import dataclass
from typing import Literal, get_args

from .launched import Victim

Moment = Literal["start", "step", "save"]

MOST_STEPS = 11  # that a start does before its kill
_WEIGHTS: dict[Moment, int] = {"start": 1, "step": 3, "save": 2}
# A start takes so long, a save a tenth of a second, and a step less than that.
_SECONDS: dict[Moment, float] = {"start": 8.0, "step": 0.1, "save": 0.1}


@dataclass(frozen=True)
class Kill:
    """After `steps` steps of a start, at the next such moment, and some seconds into it."""

    victim: Victim
    moment: Moment
    steps: int
    seconds: float

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.victim}, {self.seconds:.3f} s into a {self.moment} after {self.steps} steps"


def plan(seed: int, kills: int) -> list[Kill]:
    """Choose so many kills."""
    draw = random.Random(seed)  # noqa: S311  # chance, no secret
    return [_one(draw) for _ in range(kills)]


def _one(draw: random.Random) -> Kill:
    (moment,) = draw.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
    steps = 0 if moment == "start" else draw.randint(1, MOST_STEPS)
    return Kill(draw.choice(get_args(Victim)), moment, steps, draw.uniform(0, _SECONDS[moment]))
