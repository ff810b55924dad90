"""What watching, reporting and saving add to the steps of a real run."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from .times import ALWAYS, WITHOUT_EVERY, Times

WARM = 3  # steps in which everything is mapped and built once


@dataclass(frozen=True)
class Overhead:
    """Shares of time, of the rank where they are largest.

    ratio: all callbacks but evaluation and saving, and asking for a stop, of the time of their steps; paired: by how
    much the median step with these callbacks is longer than the one without, which two steps apart see another load of
    the machine; blocked: saving, of all time. step: median seconds.
    """

    ratio: float
    paired: float
    blocked: float
    step: float
    steps: int


def overhead(place: Path, arguments: Sequence[str], steps: int) -> Overhead:
    """Train so many steps with callbacks, and half as many without, on two ranks under torchrun."""
    place.mkdir()
    all_steps = WARM + steps * WITHOUT_EVERY // (WITHOUT_EVERY - 1)
    settings = (f"run.folder={place / 'run'}", f"train.steps={all_steps}")
    command = [Path(sys.executable).with_name("torchrun"), "--nproc_per_node=2", "--standalone"]
    program = [Path(__file__).with_name("timed_rank.py"), place, *arguments]
    environment = {**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}
    with (place / "log").open("wb") as log:
        subprocess.run(  # noqa: S603  # this very project
            [*command, *program, *(f"--set={setting}" for setting in settings)],
            check=True,
            env=environment,
            stdout=log,
            stderr=log,
        )
    ranks = [Times(**json.loads(path.read_text(encoding="utf-8"))) for path in place.glob("rank-*.json")]
    return max(map(judged, ranks), key=lambda rank: rank.ratio)


def judged(times: Times) -> Overhead:
    """Add up one rank's times, the first steps left out."""
    numbers = range(WARM, len(times.steps))
    watched = [number for number in numbers if (number + 1) % WITHOUT_EVERY]
    spent = sum(seconds for number in watched for seconds in _overhead(times, number))
    asking = times.asking / len(times.steps) * len(watched)
    whole = sum(times.steps[number] for number in watched)
    lengths = {number: sum((times.steps[number], *_overhead(times, number))) for number in numbers}
    pair = [median(lengths[n] for n in numbers if (n in watched) == with_hooks) for with_hooks in (True, False)]
    saving = sum(callbacks.get("CheckpointCallback", 0.0) for callbacks in times.callbacks[WARM:])
    return Overhead(
        ratio=(spent + asking) / whole,
        paired=pair[0] / pair[1] - 1,
        blocked=saving / (times.ended - times.began[WARM]),
        step=median(times.steps[number] for number in watched),
        steps=len(watched),
    )


def _overhead(times: Times, number: int) -> list[float]:
    return [seconds for name, seconds in times.callbacks[number].items() if name not in ALWAYS]
