"""What sums of row gradients cost that are the same bits each time: `python -m benchmarks.sums`.

`index_add_` is what they replace. On a GPU it adds in the order in which threads come. JSON comes last, on a line.
"""

import json
import sys
from statistics import median
from time import perf_counter, process_time

import torch
from torch import Tensor

from trainer.calibration.rehearsal import finish
from trainer.labels.gradient import sum_sorted

ROUNDS = 21
SLOTS, ROWS, WIDTH = 8192, 6000, 770  # 128 records of 64 slots, a quarter of their labels in two of them


def main() -> None:
    """Measure both on this machine's GPU, or on one CPU thread."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    places_N = torch.randint(ROWS, (SLOTS,), device=device)
    values_NX = torch.randn(SLOTS, WIDTH, device=device)
    plain = _milliseconds(_by_index_add, places_N, values_NX)
    ordered = _milliseconds(sum_sorted, places_N, values_NX)
    print(
        json.dumps({"device": str(device), "index_add_ms": plain, "sum_sorted_ms": ordered, "price": ordered / plain})
    )


def _by_index_add(places_N: Tensor, values_NX: Tensor, num_rows: int) -> Tensor:
    return values_NX.new_zeros(num_rows, WIDTH).index_add_(0, places_N, values_NX)


def _milliseconds(work, places_N: Tensor, values_NX: Tensor) -> float:  # noqa: ANN001  # either of the two above
    clock, times = perf_counter if values_NX.is_cuda else process_time, []
    for _ in range(ROUNDS):
        finish(values_NX.device)
        started = clock()
        work(places_N, values_NX, ROWS)
        finish(values_NX.device)
        times.append(clock() - started)
    return round(1e3 * median(times), 3)


if __name__ == "__main__":
    sys.exit(main())
