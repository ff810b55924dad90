"""Which machine this is, where torchrun's options are given as variables (PET_*), as Kubeflow's operators do.

They are meant for torchrun, which makes ranks of them. Without it there is one rank a machine, or `lmmtc train` starts
them.
"""

from trainer.errors import ConfigError

from .world import DEFAULT_PORT, Environment, Node, Placement, count, index, number, require

ELASTIC_MARK = "PET_NNODES"
_NODE = ("PET_NODE_RANK", "PET_MASTER_ADDR")
_ADVICE = "give torchrun's options to all machines, or none where there is one"


def elastic_place(environment: Environment) -> Placement:
    """Read the place of the only rank of its machine; ConfigError where there would be several."""
    node = elastic_node(environment)
    here = environment.get("PET_NPROC_PER_NODE", "1")
    if node.count > 1 and here != "1":
        raise ConfigError(
            f"environment: PET_NPROC_PER_NODE = {here!r} and {ELASTIC_MARK} = {node.count}: this process would be one "
            "rank where several are meant: start with torchrun, or with lmmtc train --nproc"
        )
    return node.place(0, 1)


def elastic_node(environment: Environment) -> Node:
    """Read PET_NNODES, PET_NODE_RANK, PET_MASTER_ADDR and, if given, PET_MASTER_PORT. ConfigError."""
    if environment[ELASTIC_MARK] in {"1", "1:1"}:
        return Node(0, 1, "127.0.0.1", 0)
    require(environment, ELASTIC_MARK, _NODE, _ADVICE)
    nodes = count(environment, ELASTIC_MARK)
    port = number(environment, "PET_MASTER_PORT") if "PET_MASTER_PORT" in environment else DEFAULT_PORT
    return Node(index(environment, "PET_NODE_RANK", ELASTIC_MARK, nodes), nodes, environment["PET_MASTER_ADDR"], port)
