"""How long work takes: by the clock, which decides, and of CPU, which tells more where others use the cores too."""

from collections.abc import Callable
from time import perf_counter, process_time


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Do it once; return its time by the clock and of CPU."""
    started, started_cpu = perf_counter(), process_time()
    work()
    return perf_counter() - started, process_time() - started_cpu
