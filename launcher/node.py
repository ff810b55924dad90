"""Which ranks `lmmtc launch` starts on this machine: a pure function of its environment and of --nproc."""

from collections.abc import Mapping

from trainer.errors import ConfigError

from .environment import Placement

OF_NODE = ("NODE_RANK", "MASTER_ADDR", "MASTER_PORT")


def local_ranks(environment: Mapping[str, str], nproc: int, free_port: int) -> list[Placement]:
    """Place `nproc` ranks on this node, of NNODES that all have as many; one node alone needs no variable.

    free_port: where ranks of one node meet. Raises ConfigError when a variable is missing or cannot be.
    """
    nodes = _number(environment, "NNODES") if "NNODES" in environment else 1
    if nodes == 1:
        return _placements(0, 1, nproc, "127.0.0.1", free_port)
    if missing := [name for name in OF_NODE if name not in environment]:
        raise ConfigError(
            f"environment: NNODES = {nodes} given without {', '.join(missing)}: give each node its own NODE_RANK, "
            "from 0 on, and all the MASTER_ADDR and MASTER_PORT of node 0; or unset NNODES to train on this node alone"
        )
    node, port = _number(environment, "NODE_RANK"), _number(environment, "MASTER_PORT")
    if not 0 <= node < nodes:
        raise ConfigError(f"environment: NODE_RANK = {node}: must be at least 0 and below NNODES = {nodes}")
    return _placements(node, nodes, nproc, environment["MASTER_ADDR"], port)


def variables(place: Placement) -> dict[str, str]:
    """Name all that torchrun, too, would tell a rank of its place."""
    return place.variables() | {"LOCAL_WORLD_SIZE": str(place.on_node)}


def _placements(node: int, nodes: int, nproc: int, address: str, port: int) -> list[Placement]:
    return [
        Placement(node * nproc + local_rank, local_rank, nodes * nproc, address, port, nproc)
        for local_rank in range(nproc)
    ]


def _number(environment: Mapping[str, str], name: str) -> int:
    try:
        return int(environment[name])
    except ValueError:
        raise ConfigError(f"environment: {name} = {environment[name]!r}: must be a whole number") from None
