"""Rank and world size of this process: a pure function of the environment variables that its starter left."""

from collections.abc import Mapping

from trainer.errors import ConfigError

from .elastic import ELASTIC_MARK, elastic_node, elastic_place
from .explicit import by_hand_node, rank_place
from .mpi import OPEN_MPI_MARK, PMI_MARK, PMIX_MARK, mpi_mark, mpi_node, mpi_place
from .pods import POD_MARK, pod_node, pod_place
from .slurm import SLURM_MARK, slurm_node, slurm_place
from .world import ON_NODE, PLACE, Node, Placement

ALONE = Placement(0, 0, 1, "127.0.0.1", 0)

# By the variable that only its tasks have: what it is called, and where it says that a process, or a node, is.
_SCHEDULERS = {
    **dict.fromkeys((OPEN_MPI_MARK, PMI_MARK, PMIX_MARK), ("mpirun", mpi_place, mpi_node)),
    ELASTIC_MARK: ("PET_NNODES", elastic_place, elastic_node),
    SLURM_MARK: ("srun", slurm_place, slurm_node),
    POD_MARK: ("the Indexed Job", pod_place, pod_node),
}
_AGREED = {
    **{name: name for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE")},
    "PMI_RANK": "RANK",  # srun sets these three, too
    "PMI_SIZE": "WORLD_SIZE",
    "PMIX_RANK": "RANK",
}


def placement(environment: Mapping[str, str]) -> Placement:
    """Read what deepspeed, torchrun, mpirun, srun or a Job's pod set; without any of it this is the only process.

    What was started under a scheduler by torchrun, deepspeed, mpirun or `lmmtc train` is where that says.

    Raises:
        ConfigError: Only a part is there, a value cannot be, or two starters say different things.
    """
    if all(name in environment for name in PLACE) and any(name in environment for name in ON_NODE):
        return rank_place(environment)
    if mark := _scheduler(environment):
        name, read, _ = _SCHEDULERS[mark]
        place = read(environment)
        _check_agreement(environment, place, name)
        return place
    return rank_place(environment) if any(name in environment for name in PLACE) else ALONE


def node(environment: Mapping[str, str]) -> Node:
    """Read which machine this is, for a process that starts the ranks of its machine.

    It is said by a Job's pod, by srun or mpirun with one process on each node, by PET_NNODES and its companions, or by
    NNODES, NODE_RANK and MASTER_ADDR.

    Raises:
        ConfigError: As in `placement`.
    """
    if mark := _scheduler(environment):
        return _SCHEDULERS[mark][2](environment)
    return by_hand_node(environment)


def _scheduler(environment: Mapping[str, str]) -> str | None:
    """Name the variable to go by. mpirun starts its processes by srun or in pods: what these say is said of its own."""
    if (mark := mpi_mark(environment)) and not (mark != OPEN_MPI_MARK and SLURM_MARK in environment):
        return mark
    if ELASTIC_MARK in environment:
        return ELASTIC_MARK
    marks = [mark for mark in (SLURM_MARK, POD_MARK) if mark in environment]
    if len(marks) > 1:
        values = " and ".join(f"{mark} = {environment[mark]!r}" for mark in marks)
        raise ConfigError(
            f"environment: {values}: must not both be given, because either srun or a Job's pod has started this "
            "process: unset the variable of the other"
        )
    return marks[0] if marks else None


def _check_agreement(environment: Mapping[str, str], place: Placement, scheduler: str) -> None:
    said = place.variables()
    for name, same in _AGREED.items():
        if name in environment and environment[name] != said[same]:
            raise ConfigError(
                f"environment: {name} = {environment[name]!r}: must be {said[same]}, which is what {scheduler} says: "
                f"unset {name}, or start ranks with torchrun, deepspeed or lmmtc train, which set all"
            )
