"""Rank and world size of a pod of an Indexed Job, or of a JobSet, and of a rank in it.

Kubernetes says which pod it is, and nothing else: the rest are variables of the pod's manifest, see docs/starting.md.
"""

import re

from trainer.errors import ConfigError

from .world import DEFAULT_PORT, Environment, Node, Placement, count, index, port, require

POD_MARK = "JOB_COMPLETION_INDEX"
PODS = "LMMTC_PODS"
RANKS_PER_POD = "LMMTC_RANKS_PER_POD"
_JOB = ("LMMTC_JOB", "LMMTC_SERVICE")
_JOB_SET = ("LMMTC_JOBSET", "LMMTC_REPLICATED_JOB")
_ADVICE = f"set it in the pod's manifest, or unset {POD_MARK} to work in one process"


def pod_place(environment: Environment) -> Placement:
    """Read the place of a rank; without LMMTC_RANKS_PER_POD a pod has one. ConfigError."""
    node = pod_node(environment)
    ranks = count(environment, RANKS_PER_POD) if RANKS_PER_POD in environment else 1
    if ranks > 1:
        require(environment, RANKS_PER_POD, ["LOCAL_RANK"], "start the ranks of a pod with lmmtc train, which sets it")
    local_rank = index(environment, "LOCAL_RANK", RANKS_PER_POD, ranks) if "LOCAL_RANK" in environment else 0
    return node.place(local_rank, ranks)


def pod_node(environment: Environment) -> Node:
    """Read the place of the pod; MASTER_ADDR and MASTER_PORT count where they are given. ConfigError.

    The address of the first of several pods is <job>-0.<service>, or <jobset>-<replicated job>-0-0.<jobset>.
    """
    require(environment, POD_MARK, [PODS], _ADVICE)
    pods = count(environment, PODS)
    pod = index(environment, POD_MARK, PODS, pods)
    host = environment.get("MASTER_ADDR") or ("127.0.0.1" if pods == 1 else _first_pod(environment, pod))
    return Node(pod, pods, host, port(environment, DEFAULT_PORT))  # a pod has all ports to itself


def _first_pod(environment: Environment, pod: int) -> str:
    """Name the pod with index 0, as the headless service does."""
    kinds = [names for names in (_JOB, _JOB_SET) if any(name in environment for name in names)]
    if len(kinds) != 1:
        raise ConfigError(
            f"environment: {POD_MARK} = {pod}: must come with either {' and '.join(_JOB)}, or "
            f"{' and '.join(_JOB_SET)}, or MASTER_ADDR, for the address of pod 0: {_ADVICE}"
        )
    (names,) = kinds
    require(environment, POD_MARK, names, _ADVICE)
    first, second = (environment[name] for name in names)
    if names == _JOB:
        return f"{first}-0.{second}"
    _check_replica(environment, f"{first}-{second}")
    return f"{first}-{second}-0-0.{first}"


def _check_replica(environment: Environment, replicated_job: str) -> None:
    """Refuse a second replica, whose pods are counted from 0 again; on its node's network, a pod has no such name."""
    host = environment.get("HOSTNAME", "")
    if (found := re.match(rf"{re.escape(replicated_job)}-(\d+)-\d+(\.|$)", host)) and found[1] != "0":
        raise ConfigError(
            f"environment: HOSTNAME = {host!r}: must be a pod of the replicated job's first replica, "
            f"{replicated_job}-0: give the replicated job one replica, and as many completions as there are pods"
        )
