"""Rank and world size of a process that mpirun started: Open MPI's variables, or those of MPICH's and Intel's hydra.

Open MPI says all; hydra says PMI_RANK and PMI_SIZE, and where on its machine a process is in variables of its own. PMIx
alone says no world size. None says where rank 0 is, unless all are on one machine.
"""

from collections.abc import Mapping
from typing import NamedTuple

from trainer.errors import ConfigError

from .world import DEFAULT_PORT, Environment, Node, Placement, count, index, port, require


class _Names(NamedTuple):
    rank: str
    size: str
    local_rank: str
    local_size: str


OPEN_MPI_MARK, PMI_MARK, PMIX_MARK = "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"
_NAMES: Mapping[str, _Names] = {
    OPEN_MPI_MARK: _Names(
        "OMPI_COMM_WORLD_RANK", OPEN_MPI_MARK, "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"
    ),
    PMI_MARK: _Names("PMI_RANK", PMI_MARK, "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
}
_ADVICE = "start with mpirun, which sets all, or with torchrun, or unset it to work in one process"


def mpi_mark(environment: Environment) -> str | None:
    """Return the variable by which a process of mpirun is known; of two kinds, that which says most."""
    return next((mark for mark in (*_NAMES, PMIX_MARK) if mark in environment), None)


def mpi_place(environment: Environment) -> Placement:
    """Read the place of a rank; MASTER_ADDR is needed where there are several machines. ConfigError."""
    mark, names = _names(environment)
    require(environment, mark, names, _ADVICE)
    size, here = count(environment, names.size), count(environment, names.local_size)
    rank = index(environment, names.rank, names.size, size)
    local_rank = index(environment, names.local_rank, names.local_size, here)
    host = environment.get("MASTER_ADDR") or ("127.0.0.1" if here == size else None)
    if host is None:
        raise ConfigError(
            f"environment: {mark} = {size} given without MASTER_ADDR, and only {here} of these processes are on this "
            "machine: give all the host of rank 0, as by mpirun -x MASTER_ADDR=HOST"
        )
    return Placement(rank, local_rank, size, host, port(environment, DEFAULT_PORT), here)


def mpi_node(environment: Environment) -> Node:
    """Read the place of the one process of a machine, which starts ranks itself. ConfigError when it has several."""
    place = mpi_place(environment)
    if place.on_node != 1:
        _, names = _names(environment)
        raise ConfigError(
            f"environment: {names.local_size} = {place.on_node}: must be one process on each machine, which starts the "
            "machine's ranks: mpirun --map-by ppr:1:node"
        )
    return Node(place.rank, place.world_size, place.master_addr, place.master_port)


def _names(environment: Environment) -> tuple[str, _Names]:
    mark = mpi_mark(environment)
    if mark is None or mark not in _NAMES:
        raise ConfigError(
            f"environment: {PMIX_MARK} = {environment.get(PMIX_MARK)!r} given without a world size: {_ADVICE}"
        )
    return mark, _NAMES[mark]
