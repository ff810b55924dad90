"""How long a run takes to leave: from SIGTERM to exit code 75, and from the loss of a rank to the launcher's end."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

import numpy as np

from launcher.exit_codes import ExitCode

from .launched import launched

_SETTINGS = ("train.steps=1000000", "evaluation.every_steps=1000000")  # a stop waits for an evaluation as for a step
_MOST_STEPS = 3  # that a start does before its end


@dataclass(frozen=True)
class Ends:
    """Seconds of each end."""

    stops: list[float]
    losses: list[float]


def ends(place: Path, arguments: Sequence[str], number: int, seed: int) -> Ends:
    """Stop and bereave one run so many times each, in turn, at random moments of its steps."""
    draw = random.Random(seed)  # noqa: S311  # chance, no secret
    told = [*arguments, *(f"--set={setting}" for setting in _SETTINGS)]
    found = Ends([], [])
    for turn in range(2 * number):
        with launched(place, told) as start:
            wanted = draw.randint(1, _MOST_STEPS)
            start.wait_until(lambda start=start, wanted=wanted: start.steps() >= wanted, "steps", timeout=600)
            sleep(draw.uniform(0, 1))
            began = perf_counter()
            if turn % 2:
                start.kill("rank 1")
                found.losses.append(perf_counter() - began)
            else:
                start.program.terminate()
                start.expect(ExitCode.START_AGAIN)
                found.stops.append(perf_counter() - began)
    return found


def p95(seconds: Sequence[float]) -> float:
    """Interpolate the 95th percentile."""
    return float(np.percentile(seconds, 95))
