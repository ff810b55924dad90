"""Rank and world size of this process: a pure function of the environment variables that its starter left."""

from collections.abc import Mapping

from trainer.errors import ConfigError

from .explicit import by_hand_node, rank_place
from .pods import POD_MARK, pod_node, pod_place
from .slurm import SLURM_MARK, slurm_node, slurm_place
from .world import ON_NODE, PLACE, Node, Placement

ALONE = Placement(0, 0, 1, "127.0.0.1", 0)

# By the variable that only its tasks have: what it is called, and where it says that a process, or a node, is.
_SCHEDULERS = {
    SLURM_MARK: ("srun", slurm_place, slurm_node),
    POD_MARK: ("the Indexed Job", pod_place, pod_node),
}
_AGREED = ("RANK", "LOCAL_RANK", "WORLD_SIZE")


def placement(environment: Mapping[str, str]) -> Placement:
    """Read what deepspeed, torchrun, srun or a Job's pod set; without any of it this is the only process.

    What was started under a scheduler by torchrun, deepspeed or `lmmtc train` is where that says.

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

    It is said by a Job's pod, by srun with one task on each node, or by NNODES, NODE_RANK and MASTER_ADDR.

    Raises:
        ConfigError: As in `placement`.
    """
    if mark := _scheduler(environment):
        return _SCHEDULERS[mark][2](environment)
    return by_hand_node(environment)


def _scheduler(environment: Mapping[str, str]) -> str | None:
    marks = [mark for mark in _SCHEDULERS if mark in environment]
    if len(marks) > 1:
        values = " and ".join(f"{mark} = {environment[mark]!r}" for mark in marks)
        raise ConfigError(
            f"environment: {values}: must not both be given, because either srun or a Job's pod has started this "
            "process: unset the variable of the other"
        )
    return marks[0] if marks else None


def _check_agreement(environment: Mapping[str, str], place: Placement, scheduler: str) -> None:
    said = place.variables()
    for name in _AGREED:
        if name in environment and environment[name] != said[name]:
            raise ConfigError(
                f"environment: {name} = {environment[name]!r}: must be {said[name]}, which is what {scheduler} says: "
                f"unset {name}, or start ranks with torchrun, deepspeed or lmmtc train, which set all"
            )
