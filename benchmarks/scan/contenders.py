"""Two ways to take a step over all labels: loss, query gradient, moved rows, and the best labels of each query.

`Ours` is the product's scan with fused row updates. `Naive` is plain torch without needless work: targets are kept,
gradients freed instead of zeroed, and nothing is copied that autograd does not copy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import Parameter, functional

from trainer.labels import LabelTable, RowRange, RowUpdates, row_optimizer
from trainer.labels.pairs import LabelPairs
from trainer.labels.scan import ScanTask, scan

from .task import BEST, LR, Task

CHUNK = 1024  # a chunk's vectors and logits stay in a core's cache from one product to the next


@dataclass(frozen=True)
class Step:
    """What a step found, before rows moved."""

    loss: Tensor
    query_gradient_QE: Tensor
    ids_QK: Tensor


class Contender(Protocol):
    """Rows and how they learn."""

    def step(self) -> Step:
        """Learn from the task once."""
        ...


class Ours:
    """The scan, chunk by chunk; rows move while it runs."""

    def __init__(self, task: Task, optimizer: Any, dtype: torch.dtype = torch.float32, chunk: int = CHUNK) -> None:
        self.task, self.chunk, self.steps = task, chunk, 0
        self.table = table_of(task, RowRange(0, len(task.prior_L)), dtype)
        self.optimizer = row_optimizer(optimizer, self.table, weight_decay=0.0)
        self.updates = RowUpdates(self.optimizer, fused=True)

    def step(self) -> Step:
        """Learn from the task once."""
        self.steps += 1
        queries_QE = self.task.queries_QE
        nothing = LabelPairs(*self.task.label_N.new_empty(2, 0))
        task = ScanTask(
            positives=LabelPairs.ordered(self.task.query_N, self.task.label_N),
            asked=nothing,
            weights_Q=torch.ones_like(queries_QE[:, 0]),
            normaliser=len(queries_QE),
            sink=self.updates.sink(LR, self.steps),
        )
        found = scan(self.table, queries_QE, nothing, min(BEST, len(self.table.range)), self.chunk, task)
        return Step(found.loss, found.query_gradient_QE, found.ids_QK)

    def floor(self) -> int:
        """Count the bytes of rows and optimizer state."""
        kept = (self.table.vectors_RE, self.table.biases_R2, self.table.trained_R, *self.optimizer.state.values())
        return sum(tensor.nbytes for tensor in kept)


class Naive:
    """All logits at once, autograd, and a dense optimizer, as torch makes it or fused."""

    def __init__(
        self, task: Task, optimizer: str, dtype: torch.dtype = torch.float32, *, fused: bool | None = None
    ) -> None:
        self.task = task
        self.weight_LE, self.bias_L = Parameter(task.vectors(dtype)), Parameter(task.prior_L.to(dtype, copy=True))
        rule = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
        self.optimizer = rule([self.weight_LE, self.bias_L], lr=LR, fused=fused)
        self.targets_QL = torch.zeros(len(task.queries_QE), len(task.prior_L), dtype=dtype, device=self.bias_L.device)
        self.targets_QL[task.query_N, task.label_N] = 1

    def step(self) -> Step:
        """Learn from the task once."""
        queries_QE = self.task.queries_QE.to(self.bias_L.dtype).detach().requires_grad_()
        logits_QL = functional.linear(queries_QE, self.weight_LE, self.bias_L)
        best = logits_QL.detach().topk(min(BEST, len(self.bias_L)))
        loss = functional.binary_cross_entropy_with_logits(logits_QL, self.targets_QL, reduction="sum")
        del logits_QL
        loss = loss / len(queries_QE)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        assert queries_QE.grad is not None
        return Step(loss.detach(), queries_QE.grad, best.indices)


CONTENDERS: dict[str, Callable[[Task], Contender]] = {
    "naive sgd": partial(Naive, optimizer="sgd"),
    "naive adam": partial(Naive, optimizer="adam"),
    "naive adam, fused": partial(Naive, optimizer="adam", fused=True),
    "ours sgd": partial(Ours, optimizer="sgd"),
    "ours adagrad": partial(Ours, optimizer="rowwise_adagrad"),
    "ours sgd, bf16 rows": partial(Ours, optimizer="sgd", dtype=torch.bfloat16),
    "ours adagrad, bf16 rows": partial(Ours, optimizer="rowwise_adagrad", dtype=torch.bfloat16),
}


def table_of(task: Task, rows: RowRange, dtype: torch.dtype = torch.float32) -> LabelTable:
    """Make these rows of the task's table, all of them trained."""
    prior_R = task.prior_L[rows.as_slice()]
    vectors_LE = task.vectors(dtype)
    vectors_RE = vectors_LE if len(rows) == len(vectors_LE) else vectors_LE[rows.as_slice()].clone()
    biases_R2 = torch.stack([prior_R, torch.zeros_like(prior_R)], dim=1)
    return LabelTable(vectors_RE, biases_R2, torch.ones_like(prior_R, dtype=torch.bool), rows)


def recall(ids_QK: Tensor, logits_QL: Tensor, tie: float = 1e-5) -> float:
    """Return the share of the true best labels among these; labels that tie with the last place are as good."""
    last_Q1 = logits_QL.topk(ids_QK.shape[1]).values[:, -1:]
    ids_QK = ids_QK.sort(dim=1).values
    again_QK = functional.pad(ids_QK.diff(dim=1) == 0, (1, 0))
    right_QK = (logits_QL.gather(1, ids_QK) >= last_Q1 - tie) & ~again_QK
    return float(right_QK.double().mean())
