"""Runs a scenario on several ranks: processes over gloo, forked from one server that has imported everything once."""

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

IMPORTED_ONCE = ["torch", "deepspeed", "pytest", "trainer.training.build"]
ENVIRONMENT = {"DS_ACCELERATOR": "cpu", "TORCHDYNAMO_DISABLE": "1", "OMP_NUM_THREADS": "1"}

# Called with a trainer.distributed.Ranks and the arguments; must stand at the top of its module.
Scenario = Callable[..., Any]

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(IMPORTED_ONCE)


class RankError(Exception):
    """A rank raised (its traceback is the message), died, or did not finish in time."""


@dataclass(frozen=True)
class _Seat:
    """What one rank is started with. The store is a file: no port can be taken by somebody else."""

    rank: int
    world_size: int
    store: Path
    timeout: float


def run_ranks(scenario: Scenario, world_size: int, *arguments: Any, timeout: float = 120) -> list[Any]:
    """Run scenario(ranks, *arguments) on every rank and return the results, rank 0's first.

    Results must pickle and hold no tensors. Raises RankError; no process is left behind.
    """
    with TemporaryDirectory() as folder:
        seats = [_Seat(rank, world_size, Path(folder) / "store", timeout) for rank in range(world_size)]
        with _started(seats, scenario, arguments) as receivers:
            return _collect(receivers, timeout)


@contextmanager
def _started(seats: list[_Seat], scenario: Scenario, arguments: tuple[Any, ...]) -> Iterator[list[Connection]]:
    processes: list[BaseProcess] = []
    receivers: list[Any] = []
    try:
        for seat in seats:
            receiver, sender = Pipe(duplex=False)
            processes.append(_context.Process(target=_be_rank, args=(seat, sender, scenario, arguments)))
            processes[-1].start()
            sender.close()
            receivers.append(receiver)
        yield receivers
    finally:
        for process in processes:
            process.kill()
            process.join()


def _collect(receivers: list[Connection], timeout: float) -> list[Any]:
    deadline = time.monotonic() + timeout
    results: dict[int, Any] = {}
    while missing := [rank for rank in range(len(receivers)) if rank not in results]:
        ready = wait([receivers[rank] for rank in missing], deadline - time.monotonic())
        if not ready:
            raise RankError(f"ranks {missing} of {len(receivers)} did not finish within {timeout} seconds")
        results |= {rank: _receive(receivers[rank], rank) for rank in missing if receivers[rank] in ready}
    return [results[rank] for rank in range(len(receivers))]


def _receive(receiver: Connection, rank: int) -> Any:
    try:
        sound, result = receiver.recv()
    except EOFError:
        raise RankError(f"rank {rank} died without a word") from None
    if not sound:
        raise RankError(f"rank {rank}:\n{result}")
    return result


def _be_rank(seat: _Seat, sender: Connection, scenario: Scenario, arguments: tuple[Any, ...]) -> None:
    import torch.distributed as dist

    from trainer.distributed import Ranks
    from trainer.engine import prepare_ops

    os.environ.update(RANK=str(seat.rank), LOCAL_RANK=str(seat.rank), WORLD_SIZE=str(seat.world_size))
    try:
        prepare_ops()  # as the launcher does: what DeepSpeed loads by itself is not safe from other builds
        dist.init_process_group(
            "gloo",
            init_method=f"file://{seat.store}",
            rank=seat.rank,
            world_size=seat.world_size,
            timeout=timedelta(seconds=seat.timeout),
        )
        result = scenario(Ranks(seat.rank, seat.world_size), *arguments)
        dist.destroy_process_group()
        sender.send((True, result))
    except Exception:  # noqa: BLE001  # the test that asked shows it
        sender.send((False, traceback.format_exc()))
