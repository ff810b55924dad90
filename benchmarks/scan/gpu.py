"""The scan on a GPU: bf16 rows of the published sizes against plain torch, beside the peaks that others published.

It was written on a machine without a GPU and has not run on one.
"""

from collections.abc import Callable
from functools import partial
from time import perf_counter

import torch

from .contenders import Contender, Naive, Ours
from .task import Task, make_task

SIZES = (670_091, 2_812_281, 8_600_000)
WIDTH, QUERIES, STEPS = 768, 128, 5
CHUNK = 8192  # the product's default: kernels are short enough as it is
BF16 = torch.bfloat16
LEARNERS: dict[str, Callable[[Task], Contender]] = {
    "ours sgd": partial(Ours, optimizer="sgd", dtype=BF16, chunk=CHUNK),
    "ours adagrad": partial(Ours, optimizer="rowwise_adagrad", dtype=BF16, chunk=CHUNK),
    "naive adam": partial(Naive, optimizer="adam", dtype=BF16, fused=True),
}
PUBLISHED = "published for 3M labels, encoder included: ELMO-BF16 10.4 GiB, Renee 39.7 GiB"


def print_gpu_table() -> None:
    """Print seconds and peak of each size; what does not fit says so."""
    for labels in SIZES:
        for name, make in LEARNERS.items():
            try:
                said = measured(make(make_task(labels, WIDTH, QUERIES, "cuda")))
            except torch.OutOfMemoryError:
                said = "out of memory"
            print(f"{labels:,} x {WIDTH} bf16, {name}: {said}", flush=True)
            torch.cuda.empty_cache()
    print(PUBLISHED)


def measured(learner: Contender) -> str:
    """Take steps, the first to warm up."""
    learner.step()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    started = perf_counter()
    for _ in range(STEPS):
        learner.step()
    torch.cuda.synchronize()
    seconds = (perf_counter() - started) / STEPS
    return f"{seconds:.3f} s a step, peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"
