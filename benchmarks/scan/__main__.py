"""`python -m benchmarks.scan`: a few minutes; JSON comes last."""

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

import torch

from .clock import seconds
from .contenders import CONTENDERS, Ours, recall
from .gpu import print_gpu_table
from .matmuls import multiply
from .memory import use_of
from .ranks import speedup
from .task import Task, make_task

FEW, MANY, LARGE = 100_000, 1_000_000, 3_000_000
ROUNDS = {FEW: 25, MANY: 7}
OURS = [name for name in CONTENDERS if name.startswith("ours")]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="also plain torch at 1M labels: takes 14 GB")
    parser.add_argument("--large", action="store_true", help="only check that 3M x 256 bf16 rows train here")
    parser.add_argument("--gpu", action="store_true", help="only bf16 rows on a GPU; not yet tried on one")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.large:
        print_peak("ours adagrad, bf16 rows", LARGE)
    elif chosen.gpu:
        print_gpu_table()
    else:
        print(json.dumps({key: round(value, 3) for key, value in decisive_cells(full=chosen.full).items()}))


def decisive_cells(*, full: bool) -> dict[str, float]:
    """Measure the ratios that the project promises."""
    few = race(FEW, list(CONTENDERS))
    adam_peak, ours_peak = (print_peak(name, FEW) for name in ("naive adam", "ours adagrad"))
    many = race(MANY, list(CONTENDERS) if full else OURS)
    floor = Ours(make_task(1000), "rowwise_adagrad").floor() * (MANY // 1000)
    return {
        "speedup_vs_naive_sgd_100k": few["naive sgd"] / few["ours sgd"],
        "speedup_vs_naive_adam_100k": few["naive adam"] / few["ours adagrad"],
        "memory_vs_naive_adam_100k": ours_peak / adam_peak,
        "peak_over_floor_1m": print_peak("ours adagrad", MANY) / floor,
        "matmul_fraction_sgd_1m": many["matmuls"] / many["ours sgd"],
        "matmul_fraction_adagrad_1m": many["matmuls"] / many["ours adagrad"],
        "ranks2_speedup": speedup(MANY, ROUNDS[MANY]),
        "topk_recall_exact": exactness(make_task(MANY)),
    }


def race(labels: int, names: Sequence[str]) -> dict[str, float]:
    """Run contenders and the bare matrix products in turn; return their median seconds by the clock."""
    task = make_task(labels)
    work: dict[str, Callable[[], object]] = {"matmuls": partial(multiply, task.queries_QE, task.vectors())}
    work |= {name: CONTENDERS[name](task).step for name in names}
    rounds = [[seconds(step) for step in work.values()] for _ in range(1 + ROUNDS[labels])]
    medians: dict[str, float] = {}
    for name, times in zip(work, zip(*rounds[1:], strict=True), strict=True):  # the first round warms up
        clock, cpu = zip(*times, strict=True)
        medians[name] = median(clock)
        spread = f"{min(clock):.3f} to {max(clock):.3f}; of CPU {median(cpu):.3f}"
        print(f"{labels:,} labels, {name}: {medians[name]:.3f} s a step ({spread})", flush=True)
    return medians


def print_peak(name: str, labels: int) -> int:
    """Run in a fresh process; print its peak and seconds, and return the peak."""
    use = use_of(name, labels)
    print(f"{labels:,} labels, {name}: peak {use.peak / 1e9:.3f} GB, {use.seconds:.2f} s a step", flush=True)
    return use.peak


def exactness(task: Task) -> float:
    """Compare the best labels with those of all logits."""
    logits_QL = torch.addmm(task.prior_L, task.queries_QE, task.vectors().T)
    return recall(Ours(task, "sgd").step().ids_QK, logits_QL)


if __name__ == "__main__":
    main()
