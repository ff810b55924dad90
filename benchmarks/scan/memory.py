"""A few steps in a process of its own: `python -m benchmarks.scan.memory NAME LABELS`."""

import gc
import json
import sys
from dataclasses import asdict, dataclass

import torch

from ..memory import forget_peak, resident, said_by
from .clock import seconds
from .contenders import CONTENDERS
from .task import make_task

WARM_UP_LABELS = 1000


@dataclass(frozen=True)
class Use:
    """Bytes at the peak, rows and optimizer state included, beyond a process that has warmed up; seconds of a step."""

    peak: int
    seconds: float


def use_of(contender: str, labels: int) -> Use:
    """Measure in a fresh process."""
    return Use(**json.loads(said_by("benchmarks.scan.memory", contender, labels)))


def measure(contender: str, labels: int) -> Use:
    """Warm up on few labels, make the rows, and watch two steps: the first makes what an optimizer keeps."""
    torch.set_num_threads(1)
    CONTENDERS[contender](make_task(WARM_UP_LABELS)).step()
    gc.collect()
    before = resident("VmRSS")
    learner = CONTENDERS[contender](make_task(labels))
    gc.collect()
    forget_peak()
    learner.step()
    took, _ = seconds(learner.step)
    return Use(resident("VmHWM") - before, took)


if __name__ == "__main__":
    print(json.dumps(asdict(measure(sys.argv[1], int(sys.argv[2])))))
