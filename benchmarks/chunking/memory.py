"""The memory of one step, in a process of its own: `python -m benchmarks.chunking.memory NAME LABELS CHUNK`."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import torch

from .contenders import CONTENDERS
from .task import make_task

WARM_UP_LABELS = 64
# glibc gives what is freed back at once: the peak is what lives, and not how it was scattered.
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def peak_of(contender: str, labels: int, chunk: int) -> int:
    """Return the bytes that a step takes at most beyond the process that has warmed up; rows' gradients left out."""
    command = [sys.executable, "-m", "benchmarks.chunking.memory", contender, str(labels), str(chunk)]
    surroundings = os.environ | ENVIRONMENT
    said = subprocess.run(command, env=surroundings, check=True, capture_output=True, text=True)  # noqa: S603
    return int(said.stdout)


def measure(contender: str, labels: int, chunk: int) -> int:
    """Warm up on few labels, then watch the resident size over one step. Linux alone can forget its earlier peak."""
    torch.set_num_threads(1)
    CONTENDERS[contender](make_task(WARM_UP_LABELS, min(chunk, WARM_UP_LABELS)))
    task = make_task(labels, chunk)
    gc.collect()
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    CONTENDERS[contender](task)
    assert task.rows_LX.grad is not None
    return _resident("VmHWM") - before - task.rows_LX.grad.nbytes


def _resident(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    [line] = [line for line in lines if line.startswith(key + ":")]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    print(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
