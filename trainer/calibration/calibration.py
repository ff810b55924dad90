"""Calibration of this machine: compute, memory and network rates of its ranks, measured in about a minute.

On a CPU it is CPU time that counts, so that what others do there does not. All ranks of a machine measure at once, as
they will train at once.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time

import psutil
import torch
from torch import Tensor
from torch.nn import functional

from ..config import Config
from ..distributed import Ranks
from ..estimate.cluster import Cluster, NetworkSection, NodesSection, ProcessSection, RatesSection
from ..estimate.operations import ADAMW_BYTES
from ..estimate.shape import EncoderShape
from ..estimate.workload import Corpus, Workload
from ..precision import with_precision
from .rehearsal import Rehearsal, finish, typical

_GIB = 2**30
_SENDS = 17
_ROUNDS = 5
_MOST_ROWS = 16_384
_LAUNCHES = 1000
_LARGE = 2**23  # numbers in a tensor that no cache holds


def calibrate(config: Config, corpus: Corpus, ranks: Ranks) -> Cluster:
    """Measure on all ranks at once; of each rate the slowest rank's counts. A collective, in a joined process group."""
    config = with_precision(config, ranks)
    few = replace(corpus, labels=min(corpus.labels, _MOST_ROWS * ranks.world_size))
    work = Workload(config, EncoderShape.of(config.model), few, ranks.world_size)
    process, scatter = Rehearsal(work).memory()
    rehearsal = Rehearsal(work)
    device = rehearsal.device
    rates = {f"encoder_tflops_{precision}": rehearsal.tflops(precision) for precision in ("fp32", "bf16")}
    rates |= _scan_rates(work, device) | {"memory_gbs": _memory_rate(device)}
    slowest = ranks.gather(torch.tensor([list(rates.values())], device=device)).amin(dim=0).tolist()
    is_gpu = device.type == "cuda"
    return Cluster(
        nodes=NodesSection(
            count=ranks.world_size // ranks.on_node,
            ranks=ranks.on_node,
            device="gpu" if is_gpu else "cpu",
            device_gib=round(torch.cuda.get_device_properties(0).total_memory / _GIB, 2) if is_gpu else None,
            host_gib=round(psutil.virtual_memory().total / _GIB, 2),
        ),
        rates=RatesSection(
            **{name: _rounded(rate) for name, rate in zip(rates, slowest, strict=True)},
            launch_us=_rounded(_slowest(ranks, _launch_seconds(device) * 1e6, device)),
        ),
        network=_network(ranks, device),
        process=ProcessSection(
            host_gib=_rounded(process),
            device_gib=_rounded(_slowest(ranks, _device_gib(), device)),
            scatter=_rounded(scatter),
        ),
    )


def write_cluster(cluster: Cluster, path: Path) -> None:
    """Write a cluster as the TOML that `load_cluster` reads; JSON's plain values are TOML's."""
    lines = ["# Measured by `lmmtc plan --calibrate`, with all ranks at work."]
    for section, values in cluster.model_dump(exclude_none=True).items():
        lines += ["", f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _timed(work: Callable[[], object], device: torch.device) -> float:
    """Time a typical round: seconds by the clock on a GPU, of CPU time of each thread on a CPU."""
    return typical([_seconds(work, device) for _ in range(_ROUNDS)])


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    if device.type != "cpu":
        finish(device)
        started = perf_counter()
        work()
        finish(device)
        return perf_counter() - started
    started = process_time()
    work()
    return (process_time() - started) / torch.get_num_threads()


def _scan_rates(work: Workload, device: torch.device) -> dict[str, float]:
    """Measure a chunk's products and what is done to its logits."""
    chunk, width = min(work.config.labels.chunk, work.rows), work.row_width
    queries_QE = torch.randn(work.queries, width, device=device)
    rows_CE = torch.randn(chunk, width, device=device)
    logits_QC = queries_QE @ rows_CE.T

    def products() -> None:
        for _ in range(4):
            torch.mm(queries_QE, rows_CE.T, out=logits_QC)
            queries_QE.addmm_(logits_QC, rows_CE, beta=0.5, alpha=1e-9)
            rows_CE.addmm_(logits_QC.T, queries_QE, beta=0.5, alpha=1e-9)

    def pointwise() -> None:
        for _ in range(4):
            logits_QC.amax(dim=1)
            functional.softplus(logits_QC).sum()
            logits_QC.sigmoid_()

    operations = 4 * 3 * 2 * logits_QC.numel() * width
    moved = 4 * 24 * logits_QC.numel()  # amax reads, softplus reads and writes, its sum reads, sigmoid does both
    return {
        "scan_tflops": operations / _timed(products, device) / 1e12,
        "pointwise_gbs": moved / _timed(pointwise, device) / 1e9,
    }


def _memory_rate(device: torch.device) -> float:
    """Measure AdamW's own passes over a large tensor."""
    values = torch.zeros(_LARGE, device=device, requires_grad=True)
    values.grad = torch.ones_like(values)
    return ADAMW_BYTES * _LARGE / _timed(torch.optim.AdamW([values]).step, device) / 1e9


def _launch_seconds(device: torch.device) -> float:
    """Measure what no kernel is shorter than, by many that do next to nothing; a CPU launches none."""
    if device.type == "cpu":
        return 0.0
    one = torch.zeros(1, device=device)

    def launches() -> None:
        for _ in range(_LAUNCHES):
            one.add_(1)

    return _timed(launches, device) / _LAUNCHES


def _device_gib() -> float:
    """Measure what this GPU holds beside tensors: the contexts of CUDA and NCCL, and what other programs hold."""
    if not torch.cuda.is_available():
        return 0.0
    free, total = torch.cuda.mem_get_info()
    return (total - free - torch.cuda.memory_reserved()) / _GIB


def _slowest(ranks: Ranks, value: float, device: torch.device) -> float:
    return float(ranks.gather(torch.tensor([value], device=device)).max())


def _network(ranks: Ranks, device: torch.device) -> NetworkSection:
    """Measure sums of large and of small tensors, by the clock; a rank alone never sends."""
    if ranks.world_size == 1:
        return NetworkSection(inside_gbs=1, between_gbs=1, latency_us=0)
    large, small = torch.ones(_LARGE // 2, device=device), torch.ones(1, device=device)
    sent = 2 * large.nbytes * (ranks.world_size - 1) / ranks.world_size
    rate = _rounded(sent / _waited(ranks, large) / 1e9)
    return NetworkSection(inside_gbs=rate, between_gbs=rate, latency_us=_rounded(_waited(ranks, small) * 1e6))


def _waited(ranks: Ranks, values: Tensor) -> float:
    waited = []
    for _ in range(_SENDS):
        ranks.barrier()
        finish(values.device)
        started = perf_counter()
        ranks.sum(values)
        finish(values.device)  # NCCL only takes note of what it shall send
        waited.append(perf_counter() - started)
    return _slowest(ranks, typical(waited), values.device)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
