"""Rank and world size, or node, where a starter or a person sets them outright.

Ranks: deepspeed, torchrun and `lmmtc train`. Nodes: whoever starts one process on each, by hand or by another tool.
"""

from trainer.errors import ConfigError

from .world import DEFAULT_PORT, ON_NODE, PLACE, Environment, Node, Placement, count, index, number, port, require

_NODE = ("NNODES", "NODE_RANK")


def rank_place(environment: Environment) -> Placement:
    """Read RANK and its companions; ConfigError when only a part of them is there, or when a value cannot be."""
    given = [name for name in PLACE if name in environment]
    if missing := [name for name in PLACE if name not in environment]:
        raise ConfigError(
            f"environment: {', '.join(given)} given without {', '.join(missing)}: start with deepspeed or torchrun, "
            "which set all, or unset them to work in one process"
        )
    world_size = count(environment, "WORLD_SIZE")
    rank = index(environment, "RANK", "WORLD_SIZE", world_size)
    on_node, local_rank = 1, number(environment, "LOCAL_RANK")
    if name := next((name for name in ON_NODE if name in environment), None):
        on_node = count(environment, name)
        local_rank = index(environment, "LOCAL_RANK", name, on_node)
    return Placement(rank, local_rank, world_size, environment["MASTER_ADDR"], port(environment, 0), on_node)


def by_hand_node(environment: Environment) -> Node:
    """Read NNODES, NODE_RANK, MASTER_ADDR and, if given, MASTER_PORT; without NNODES there is one node. ConfigError."""
    mark = next((name for name in _NODE if name in environment), None)
    if mark is None:
        return Node(0, 1, "127.0.0.1", 0)
    require(environment, mark, (*_NODE, "MASTER_ADDR"), "set all on every node, or none where there is one node")
    nodes = count(environment, "NNODES")
    return Node(
        index(environment, "NODE_RANK", "NNODES", nodes),
        nodes,
        environment["MASTER_ADDR"],
        port(environment, DEFAULT_PORT),
    )
