"""Collectives and the process group: the only importer of torch.distributed.

Every call is a collective: all ranks make it, in the same order. With one rank each is the identity and needs no
process group, so that evaluation and prediction run without a launcher.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from threading import Thread

import torch
import torch.distributed as dist
from torch import Tensor

from .config import COLLECTIVE_SECONDS
from .errors import ConfigError, PeerLostError

ABORT_SECONDS = 10.0
PORT_TAKEN = "EADDRINUSE"  # in what torch says of a port, whatever the system's language
# gloo raises plain RuntimeErrors. Its others are faults of the caller, which no restart mends.
GLOO_LOST = ("by peer", "Timed out waiting", "pair closure", "Read error", "Broken pipe")

_all_gather = getattr(
    dist, "all_gather_single", dist.all_gather_into_tensor
)  # its name before torch 2.13, which is not tested


@dataclass(frozen=True)
class Ranks:
    """This process's place among the processes of the run, and the collectives over them.

    Attributes:
        rank: Number of this process, from 0 on.
        world_size: W, processes of the run.
        on_node: Processes of this machine, or pod.
    """

    rank: int = 0
    world_size: int = 1
    on_node: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this rank writes what is written once per run."""
        return self.rank == 0

    @property
    def is_first_on_node(self) -> bool:
        """Whether this rank writes what is written once per machine: ranks of one have consecutive numbers."""
        return self.rank % self.on_node == 0

    def sum(self, values: Tensor) -> Tensor:
        """All-reduce: sum over ranks, same shape, the same bits on every rank."""
        if self.world_size > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values

    def gather(self, part: Tensor) -> Tensor:
        """All-gather: stack the equally shaped parts of all ranks: [n, ...] -> [W * n, ...], rank 0 first."""
        if self.world_size == 1:
            return part
        whole = part.new_empty(self.world_size * part.shape[0], *part.shape[1:])
        _all_gather(whole, part.contiguous())
        return whole

    def gather_ragged(self, part: Tensor) -> Tensor:
        """All-gather of parts of unequal length: [n_r, ...] -> [sum of n_r, ...], rank 0 first."""
        if self.world_size == 1:
            return part
        lengths = self.gather(torch.tensor([part.shape[0]], device=part.device)).tolist()
        if not any(lengths):
            return part
        padded = part.new_zeros(max(lengths), *part.shape[1:])
        padded[: part.shape[0]] = part
        blocks = self.gather(padded).unflatten(0, (self.world_size, -1))
        return torch.cat([block[:length] for block, length in zip(blocks, lengths, strict=True)])

    def gather_on_first(self, part: Tensor) -> Tensor:
        """Gather parts of unequal length on rank 0, its own first; all others get nothing."""
        received, _ = self.exchange_ragged(part, [len(part), *[0] * (self.world_size - 1)])
        return received

    def exchange(self, blocks: Tensor) -> Tensor:
        """All-to-all: send block w of [W, ...] to rank w; block w of the result came from rank w."""
        if self.world_size == 1:
            return blocks
        received = torch.empty_like(blocks)
        dist.all_to_all_single(received, blocks.contiguous())
        return received

    def exchange_ragged(
        self, items: Tensor, counts_W: list[int], received_W: list[int] | None = None
    ) -> tuple[Tensor, list[int]]:
        """All-to-all of unequal parts: the first counts_W[0] items go to rank 0, the next counts_W[1] to rank 1, ...

        Args:
            items: What is sent, [n, ...].
            counts_W: Items for each rank.
            received_W: Items from each rank, where that is known; else it takes another exchange.

        Returns:
            The items received, and how many came from each rank.
        """
        if self.world_size == 1:
            return items, counts_W
        if received_W is None:
            received_W = [int(count) for count in self.exchange(torch.tensor(counts_W, device=items.device)).tolist()]
        received = items.new_empty(sum(received_W), *items.shape[1:])
        dist.all_to_all_single(received, items.contiguous(), received_W, counts_W)
        return received, received_W

    def barrier(self) -> None:
        """Wait until every rank has come here."""
        if self.world_size > 1:
            dist.barrier()


ONE_RANK = Ranks()


def join(local_rank: int, on_node: int = 1, timeout: timedelta = timedelta(seconds=COLLECTIVE_SECONDS)) -> Ranks:
    """Join the process group by RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT; of the GPUs, use `local_rank`.

    Args:
        local_rank: Number of this process on its machine.
        on_node: Processes of the machine.
        timeout: Timeout of every collective.

    Raises:
        ConfigError: There is no GPU for this rank, or rank 0's port is taken.
        PeerLostError: Other ranks do not come.
    """
    if torch.cuda.is_available():
        check_gpu(local_rank, torch.cuda.device_count())
        torch.cuda.set_device(local_rank)
        dist.init_process_group("cpu:gloo,cuda:nccl", timeout=timeout, device_id=torch.device("cuda", local_rank))
    else:
        dist.init_process_group("gloo", timeout=timeout)
    return Ranks(dist.get_rank(), dist.get_world_size(), on_node)


def check_gpu(local_rank: int, gpus: int) -> None:
    """Check that a rank has a GPU of its own among those that this process sees. Raises ConfigError."""
    if local_rank >= gpus:
        raise ConfigError(
            f"LOCAL_RANK = {local_rank}: must be below {gpus}, the GPUs that this process sees "
            f"(CUDA_VISIBLE_DEVICES = {os.environ.get('CUDA_VISIBLE_DEVICES', 'unset')}): start at most {gpus} ranks "
            "here, as with lmmtc train --nproc, or let each see all GPUs of the machine"
        )


def leave() -> None:
    """Destroy the process group, once all is done: NCCL waits here for all ranks. Nothing may be sent afterwards."""
    dist.destroy_process_group()


def abort(seconds: float = ABORT_SECONDS) -> None:
    """Give the process group up after an error: other ranks may wait in a collective, and are not waited for.

    Under gloo the end of the process does it. Nothing may be sent afterwards.

    Args:
        seconds: How long NCCL may take for it.
    """
    if dist.is_initialized() and torch.cuda.is_available():
        ending = Thread(target=_abort_communicators, daemon=True)
        ending.start()
        ending.join(seconds)


def _abort_communicators() -> None:
    with suppress(Exception):  # the process ends in any case, and what went wrong before has been said
        dist.distributed_c10d._abort_process_group()  # noqa: SLF001  # torch has no public name for it yet


@contextmanager
def naming_lost_peers() -> Iterator[None]:
    """Translate what backends raise in many ways, when another rank is gone or never came, into PeerLostError.

    Where rank 0 cannot listen for the others, because its port is taken, no other start would help: ConfigError.
    """
    try:
        yield
    except RuntimeError as error:
        if PORT_TAKEN in str(error):
            raise ConfigError(
                f"MASTER_PORT = {os.environ.get('MASTER_PORT')}: another process of this machine listens there, "
                "another run perhaps: choose another port, by --master_port of deepspeed and torchrun, or MASTER_PORT"
            ) from error
        if isinstance(error, dist.DistError) or any(words in str(error) for words in GLOO_LOST):
            raise PeerLostError(
                "another rank has died, or cannot be reached; the last checkpoint stands: start the run again "
                f"({error})"
            ) from error
        raise
