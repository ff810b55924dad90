"""Micro-steps of a run on synthetic texts, as fast and as large as real ones; no data set is needed."""

import ctypes
import gc
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..config import deepspeed_config
from ..data import State, TextBatch
from ..distributed import ONE_RANK
from ..engine import Engine
from ..estimate.memory import moving, standing
from ..estimate.operations import Operations
from ..estimate.workload import Workload
from ..labels import RowRange, RowUpdates, StepPort, build_candidates, new_table, row_optimizer
from ..model import Normaliser
from ..training.components import build_model, build_optimizer

_ROUNDS = 5


class Rehearsal:
    """The model of a run and a rank's rows, which are all that it scans; on its GPU if it has one."""

    def __init__(self, work: Workload) -> None:
        self.work = work
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = build_model(work.config).to(self.device)
        labels, config = work.rows, work.config
        counts_L = np.ones(labels, dtype=np.int64)
        table = new_table(config, counts_L, labels, work.shape.width, RowRange(0, labels)).to(self.device)
        self._labels = build_candidates(config, table, labels, ONE_RANK)
        optimizer = row_optimizer(config.labels.optimizer, table, config.labels.weight_decay)
        self._updates = RowUpdates(optimizer, fused=not work.buffers_gradients)
        self._batch = _texts(work).to(self.device)
        self._seconds: dict[str, float] = defaultdict(float)

    def tflops(self, precision: Literal["fp32", "bf16"]) -> float:
        """Measure the operations a second of the encoder, in 10^12: all but the scan, in a typical round."""
        spent = []
        for _ in range(_ROUNDS):
            self._seconds.clear()
            self.model.zero_grad(set_to_none=True)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16"):
                total = self._total_of(self.model)
            with self._clock("backward"):
                total.backward()
            spent.append(sum(self._seconds[phase] for phase in ("text", "cloze", "backward")))
        return Operations.of(self.work).total / typical(spent) / 1e12

    def memory(self) -> tuple[float, float]:
        """Measure GiB of this process beside what stands there, and the allocator's scatter, under DeepSpeed.

        A collective; afterwards this is of no more use. On a GPU the first is the host's. Linux with glibc only.
        """
        config = deepspeed_config(self.work.config, self.work.world_size)
        engine = Engine(self.model, build_optimizer(self.model, self.work.config), config)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak is what is resident now
        for _ in range(_ROUNDS * self.work.accumulation):
            engine.backward(self._total_of(engine.forward))
            engine.end_micro_step()
        gc.collect()
        peak = _resident("VmHWM")
        ctypes.CDLL(None).malloc_trim(0)
        on_gpu = self.device.type == "cuda"
        kept = 0 if on_gpu else sum(standing(self.work).values())
        process = _resident("VmRSS") - kept
        most = moving(self.work, on_gpu=on_gpu)
        alive = sum(most.parts.values())
        if on_gpu:
            held = torch.cuda.max_memory_reserved() - torch.cuda.max_memory_allocated()
        else:
            held = peak - process - kept - alive
        return process / 2**30, max(held, 0) / max(most.each_at_most - alive, 1)

    def _total_of(self, forward: Callable[..., Any]) -> Tensor:
        """Run a micro-step up to its loss."""
        normaliser = Normaliser(len(self._batch.weights_B), max(self.work.masked_tokens, 1), 1)
        learn = partial(self._labels.learn, normaliser=normaliser, sink=self._updates.sink(1e-4, 1), step=1)
        losses, _ = forward(self._batch, StepPort(self._labels, learn, self._batch), normaliser, self._clock)
        return losses.total

    @contextmanager
    def _clock(self, phase: str) -> Iterator[None]:
        started = self._now()
        yield
        self._seconds[phase] += self._now() - started

    def _now(self) -> float:
        """Read the clock on a GPU, once it is done; on a CPU, the CPU time of each thread."""
        if self.device.type != "cpu":
            finish(self.device)
            return perf_counter()
        return process_time() / torch.get_num_threads()


def finish(device: torch.device) -> None:
    """Wait until a device has done all that it was told: what is timed otherwise is telling it. A CPU has no queue."""
    if device.type != "cpu":
        torch.get_device_module(device).synchronize()


def typical(rounds: Sequence[float]) -> float:
    """Take the median, but for the first round, which touches memory: a step is as fast as most, not as the fastest."""
    return median(rounds[1:])


def _texts(work: Workload) -> TextBatch:
    """Invent texts without padding, each with as many labels and masked tokens as the mean."""
    records, tokens, positives = work.records, work.tokens, max(round(work.corpus.positives), 1)
    ids_BT = torch.randint(work.shape.vocab_size, (records, tokens))
    masked_BT = torch.zeros(records, tokens, dtype=torch.bool)
    masked_BT.view(-1)[torch.randperm(records * tokens)[: work.masked_tokens]] = True
    revealed_BV = torch.randint(work.rows, (records, work.revealed))
    return TextBatch(
        ids_BT=ids_BT,
        originals_BT=ids_BT,
        masked_BT=masked_BT,
        mask_BT=torch.ones_like(masked_BT),
        weights_B=torch.ones(records),
        labels=torch.randint(work.rows, (records * positives,)),
        label_offsets=torch.arange(0, records * positives + 1, positives),
        revealed_BV=revealed_BV,
        revealed_states_BV=torch.full_like(revealed_BV, State.YES),
        excluded_BN=torch.empty(records, 0, dtype=torch.long),
    )


def _resident(key: str) -> int:
    """Read bytes: VmRSS, what is resident now, or VmHWM, the most of it so far."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key + ":"))
