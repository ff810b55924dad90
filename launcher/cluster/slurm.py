"""Rank and world size of a task that srun started, from what Slurm says of its step.

The variables of the whole allocation (SLURM_NTASKS, SLURM_JOB_NODELIST) are not asked: a step may be smaller, and in a
batch script, where nothing has started ranks yet, they are there too.
"""

import re

from trainer.errors import ConfigError

from .world import Environment, Node, Placement, count, index, number, port, require

SLURM_MARK = "SLURM_STEP_ID"  # not in a batch script, but in every task of srun

_STEP = (
    *("SLURM_JOB_ID", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID"),
    *("SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE"),
)
_PORTS = range(20_000, 30_000)  # below those that Linux gives away by itself
_STEPS_OF_A_JOB = 16
_TASKS = re.compile(r"(\d+)(?:\(x(\d+)\))?")  # as in 2(x3),1: three nodes with two tasks each, one with one
_HOST = re.compile(r"((?:[\w.-]|\[[\w,-]+\])+)(?:,.*)?")  # as in rack[1-2]n[01-08,11],login: up to the first bare comma
_RANGE = re.compile(r"\[(\w+)[^\]]*\]")


def slurm_place(environment: Environment) -> Placement:
    """Read the place of a task; MASTER_ADDR and MASTER_PORT count where they are given. ConfigError."""
    tasks = _tasks_of_nodes(environment)
    node = index(environment, "SLURM_NODEID", "the nodes of SLURM_STEP_TASKS_PER_NODE", len(tasks))
    return Placement(
        index(environment, "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", sum(tasks)),
        index(environment, "SLURM_LOCALID", "the node's tasks in SLURM_STEP_TASKS_PER_NODE", tasks[node]),
        sum(tasks),
        *_master(environment),
        tasks[node],
    )


def slurm_node(environment: Environment) -> Node:
    """Read the place of the one task of a node, which starts ranks itself. ConfigError when a node has several."""
    tasks = _tasks_of_nodes(environment)
    if set(tasks) != {1}:
        raise ConfigError(
            f"environment: SLURM_STEP_TASKS_PER_NODE = {environment['SLURM_STEP_TASKS_PER_NODE']!r}: must be one task "
            "on each node, which starts the node's ranks: srun --ntasks-per-node=1"
        )
    return Node(
        index(environment, "SLURM_NODEID", "SLURM_STEP_NUM_TASKS", len(tasks)), len(tasks), *_master(environment)
    )


def first_host(nodes: str) -> str:
    """Name the first host of a list like n[001-003,7],m2: the one where task 0 is. ConfigError."""
    if not (found := _HOST.fullmatch(nodes)):
        raise ConfigError(
            f"environment: SLURM_STEP_NODELIST = {nodes!r}: must be hosts like n[001-003,7],m2: "
            "give rank 0's host as MASTER_ADDR"
        )
    return _RANGE.sub(r"\1", found[1])


def _tasks_of_nodes(environment: Environment) -> list[int]:
    """Count the tasks of each node of the step."""
    require(environment, SLURM_MARK, _STEP, "start with srun, which sets all, or unset it to work in one process")
    spelt = environment["SLURM_STEP_TASKS_PER_NODE"]
    runs = [_TASKS.fullmatch(part) for part in spelt.split(",")]
    tasks = [int(run[1]) for run in runs if run for _ in range(int(run[2] or 1))]
    if not all(runs) or sum(tasks) != count(environment, "SLURM_STEP_NUM_TASKS"):
        raise ConfigError(
            f"environment: SLURM_STEP_TASKS_PER_NODE = {spelt!r}: must be counts like 2(x3),1 that add up to "
            f"SLURM_STEP_NUM_TASKS = {environment['SLURM_STEP_NUM_TASKS']}"
        )
    return tasks


def _master(environment: Environment) -> tuple[str, int]:
    """Derive a port that another job, or another step, on the same node is unlikely to have."""
    step = _STEPS_OF_A_JOB * number(environment, "SLURM_JOB_ID") + number(environment, SLURM_MARK)
    host = environment.get("MASTER_ADDR") or first_host(environment["SLURM_STEP_NODELIST"])
    return host, port(environment, _PORTS[step % len(_PORTS)])
