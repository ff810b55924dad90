"""`python -m benchmarks.chunking`: 15 minutes for the cells that decide, `--full` for the table; JSON comes last."""

import argparse
import json
import os
from collections.abc import Iterable, Sequence
from statistics import median
from time import perf_counter

import torch

from .contenders import CONTENDERS, Task
from .matmuls import products, seconds
from .memory import peak_of
from .task import RECORDS, make_task

ROUNDS = 5
MOST_LABELS_IN_ONE_SEQUENCE = 4096
FULL_TABLE = [(labels, chunk) for labels in (1024, 4096, 16_384) for chunk in (32, 128, 512)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="all cells, with one thread and with all")
    if parser.parse_args().full:
        print_table([1, os.cpu_count() or 1])
    torch.set_num_threads(1)
    print(json.dumps({key: round(value, 3) for key, value in decisive_cells().items()}))


def decisive_cells() -> dict[str, float]:
    """Measure the ratios that the project promises."""
    long = make_task(4096, 128)
    full_s, ours_s, floor_s = race(long, ("full", "ours", "matmuls"))
    reencode_s, narrow_s = race(make_task(1024, 32), ("reencode", "ours"))
    peaks = {labels: peak_of("ours", labels, 128) for labels in (1024, 4096, 16_384)}
    say("ours, MB at 1,024, 4,096 and 16,384 labels", (peak / 1e6 for peak in peaks.values()))
    full_peak = peak_of("full", 4096, 128)
    say("full, MB at 4,096 labels", [full_peak / 1e6])
    return {
        "speedup_vs_full_4096": full_s / ours_s,
        "speedup_vs_reencode_c32": reencode_s / narrow_s,
        "memory_vs_full_4096": peaks[4096] / full_peak,
        "memory_growth_1k_to_16k": peaks[16_384] / peaks[1024],
        "fraction_of_matmul_peak": floor_s / ours_s,
    }


def race(task: Task, names: Sequence[str], rounds: int = ROUNDS) -> list[float]:
    """Run contenders in turn and return their median seconds; they have warmed up on one chunk before."""
    small = make_task(task.chunk, task.chunk)
    for name in names:
        timed(small, name)
    times = [[timed(task, name) for name in names] for _ in range(rounds)]
    medians = [median(column) for column in zip(*times, strict=True)]
    for name, middle in zip(names, medians, strict=True):
        say(f"{name}, slots/s at {len(task.rows_LX):,} labels in chunks of {task.chunk}", [slots(task) / middle])
    say("of which matrix products of ours, TFLOP", [sum(n * product.flops for n, product in products(task)) / 1e12])
    return medians


def timed(task: Task, name: str) -> float:
    """Time one forward and backward, from no gradients; or the bare matrix products of `ours`."""
    if name == "matmuls":
        return seconds(list(products(task)))
    task.model.zero_grad()
    task.rows_LX.grad = None
    started = perf_counter()
    CONTENDERS[name](task)
    return perf_counter() - started


def print_table(threads: Iterable[int]) -> None:
    """Measure every cell; the full sequence stops at 4,096 labels."""
    for number in threads:
        torch.set_num_threads(number)
        print(f"threads: {number}")
        for labels, chunk in FULL_TABLE:
            names = [name for name in CONTENDERS if name != "full" or labels <= MOST_LABELS_IN_ONE_SEQUENCE]
            race(make_task(labels, chunk), names, rounds=3)


def slots(task: Task) -> int:
    """Count the slots of a step."""
    return RECORDS * len(task.rows_LX)


def say(what: str, numbers: Iterable[float]) -> None:
    """Print a line of figures."""
    print(f"{what}: {', '.join(f'{number:,.1f}' for number in numbers)}", flush=True)


if __name__ == "__main__":
    main()
