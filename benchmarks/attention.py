"""`python -m benchmarks.attention`: attention in bf16 on a CPU, forward and backward, ours against what torch offers.

Ours is `kernel` of `trainer/model/prefix.py`: given bf16, it computes in fp32 and returns bf16. The others are torch's
fused attention in bf16, and matrix products and a softmax in bf16, written out. Each reads the same queries, keys and
values, under the same padding mask. fp32 is fused attention of fp32 tensors: what ours would take without its casts.
Milliseconds of one thread's CPU time, so that what others do on the machine counts little; medians of interleaved
rounds. Last line: JSON.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from time import process_time

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from trainer.model.prefix import kernel

Attention = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def fused(query: Tensor, key: Tensor, value: Tensor, visible: Tensor) -> Tensor:
    """Attend by SDPA, in the type of what it is given."""
    return scaled_dot_product_attention(query, key, value, attn_mask=visible).transpose(1, 2)


def ours(query: Tensor, key: Tensor, value: Tensor, visible: Tensor) -> Tensor:
    """Attend as the encoder does."""
    return kernel(nn.Module(), query, key, value, visible)[0]


def products(query: Tensor, key: Tensor, value: Tensor, visible: Tensor) -> Tensor:
    """Attend by two matrix products and a softmax, which keep all scores."""
    scores = (query @ key.mT * query.shape[-1] ** -0.5).masked_fill(~visible, -torch.inf)
    return (scores.softmax(dim=-1) @ value).transpose(1, 2)


CONTENDERS: Mapping[str, tuple[Attention, torch.dtype]] = {
    "SDPA bf16": (fused, torch.bfloat16),
    "ours": (ours, torch.bfloat16),
    "products bf16": (products, torch.bfloat16),
    "SDPA fp32": (fused, torch.float32),
}


@dataclass(frozen=True)
class Shape:
    """How many records and heads of which width, and of each how many queries and keys."""

    records: int
    heads: int
    width: int
    queries: int
    keys: int

    @property
    def name(self) -> str:
        """Name queries and keys."""
        return f"{self.queries}x{self.keys}"

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draw queries, keys and values in fp32 [B, H, n, Dh], and a mask [B, 1, 1, keys]: a tenth is padding."""
        shapes = ((self.records, self.heads, places, self.width) for places in (self.queries, self.keys, self.keys))
        query, key, value = (torch.randn(shape) for shape in shapes)
        visible = torch.arange(self.keys) < self.keys - self.keys // 10
        return query, key, value, visible.expand(self.records, 1, 1, -1)


def race(shape: Shape, rounds: int) -> dict[str, tuple[float, float]]:
    """Run contenders in turn; returns of each the median milliseconds of forward and of backward, warmed up."""
    *drawn, visible = shape.tensors()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds + 1):
        for name, (attention, dtype) in CONTENDERS.items():
            query, key, value = (tensor.to(dtype).requires_grad_() for tensor in drawn)
            started = process_time()
            attended = attention(query, key, value, visible)
            forward = process_time()
            torch.autograd.grad(attended, (query, key, value), torch.ones_like(attended))
            times[name].append((forward - started, process_time() - forward))
    return {name: (_middle(both, 0), _middle(both, 1)) for name, both in times.items()}


def ratios(measured: Mapping[str, Mapping[str, tuple[float, float]]]) -> dict[str, float]:
    """Say how many times as long as ours the alternatives in bf16 take, forward and backward together, by shape."""
    return {
        f"speedup_vs_{key}_{shape}": round(sum(times[name]) / sum(times["ours"]), 2)
        for shape, times in measured.items()
        for key, name in (("sdpa_bf16", "SDPA bf16"), ("products_bf16", "products bf16"))
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attention", description=__doc__)
    parser.add_argument("--records", type=int, default=64)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--places", nargs="+", default=["64x64", "64x128", "128x128"], help="queries x keys")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    measured = {}
    for places in options.places:
        queries, keys = (int(number) for number in places.split("x"))
        shape = Shape(options.records, options.heads, options.width, queries, keys)
        measured[shape.name] = race(shape, options.rounds)
        for name, (forward, backward) in measured[shape.name].items():
            print(f"{shape.name:8} {name:14} {forward:8.1f} ms forward {backward:8.1f} ms backward")
    print(json.dumps(ratios(measured)))


def _middle(both: list[tuple[float, float]], which: int) -> float:
    return 1000 * median(times[which] for times in both[1:])


if __name__ == "__main__":
    main()
