"""Collectives of ranks on pretend GPUs, over gloo: recorded, and refused where NCCL would fail or hang."""

import threading
from collections.abc import Callable
from typing import Any

import torch.distributed as dist
from torch import Tensor

from tests.pretend_gpu.device import OnGpu
from trainer import distributed

_ALL_GATHER = distributed._all_gather


class RecordedCollectives:
    """Stands in for torch.distributed in `trainer.distributed`, and notes what goes to NCCL, in order."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._thread = threading.get_ident()

    def install(self) -> "RecordedCollectives":
        """Take the place of torch.distributed in this process."""
        distributed.dist = self  # pyright: ignore[reportAttributeAccessIssue]
        distributed._all_gather = self._all_gather
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(dist, name)

    def all_reduce(self, values: Tensor) -> None:
        self._run("all_reduce", dist.all_reduce, values)

    def all_to_all_single(self, received: Tensor, sent: Tensor, *counts: list[int]) -> None:
        self._run("all_to_all", lambda *both: dist.all_to_all_single(*both, *counts), received, sent)

    def _all_gather(self, whole: Tensor, part: Tensor) -> None:
        self._run("all_gather", _ALL_GATHER, whole, part)

    def _run(self, name: str, work: Callable[..., Any], *tensors: Tensor) -> None:
        assert threading.get_ident() == self._thread, f"{name} of another thread: NCCL has no order between threads"
        assert len({(type(tensor), tensor.dtype) for tensor in tensors}) == 1, [t.device for t in tensors]
        assert all(tensor.is_contiguous() for tensor in tensors), name
        if isinstance(tensors[0], OnGpu):
            self.seen.append(f"{name} {tensors[0].dtype}")
        work(*(tensor.held if isinstance(tensor, OnGpu) else tensor for tensor in tensors))
