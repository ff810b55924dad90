"""The memory of one step, in a process of its own: `python -m benchmarks.chunking.memory NAME LABELS CHUNK`."""

import gc
import sys

import torch

from ..memory import GIVE_BACK, forget_peak, resident, said_by
from .contenders import CONTENDERS
from .task import make_task

WARM_UP_LABELS = 64


def peak_of(contender: str, labels: int, chunk: int) -> int:
    """Return the bytes that a step takes at most beyond the process that has warmed up; rows' gradients left out."""
    return int(said_by("benchmarks.chunking.memory", contender, labels, chunk, environment=GIVE_BACK))


def measure(contender: str, labels: int, chunk: int) -> int:
    """Warm up on few labels, then watch the resident size over one step."""
    torch.set_num_threads(1)
    CONTENDERS[contender](make_task(WARM_UP_LABELS, min(chunk, WARM_UP_LABELS)))
    task = make_task(labels, chunk)
    gc.collect()
    before = resident("VmRSS")
    forget_peak()
    CONTENDERS[contender](task)
    assert task.rows_LX.grad is not None
    return resident("VmHWM") - before - task.rows_LX.grad.nbytes


if __name__ == "__main__":
    print(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
