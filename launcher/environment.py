"""Which of the run's processes this is: a pure function of the environment that the starter left."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

from trainer.errors import ConfigError

PLACE = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
ON_NODE = ("LOCAL_WORLD_SIZE", "LOCAL_SIZE")  # as torchrun and as deepspeed call it


@dataclass(frozen=True)
class Placement:
    """This process among all, and on its node, where `on_node` of them are."""

    rank: int
    local_rank: int
    world_size: int
    master_addr: str
    master_port: int
    on_node: int = 1

    def variables(self) -> dict[str, str]:
        """Name what torch.distributed and DeepSpeed read."""
        return {
            "RANK": str(self.rank),
            "LOCAL_RANK": str(self.local_rank),
            "WORLD_SIZE": str(self.world_size),
            "MASTER_ADDR": self.master_addr,
            "MASTER_PORT": str(self.master_port),
        }


def placement(environment: Mapping[str, str]) -> Placement:
    """Read what `deepspeed` or `torchrun` set; without it this is the only process.

    Raises ConfigError when only a part of it is there, or when a value cannot be.
    """
    given = [name for name in PLACE if name in environment]
    if not given:
        return Placement(0, 0, 1, "127.0.0.1", 0)
    if missing := [name for name in PLACE if name not in environment]:
        raise ConfigError(
            f"environment: {', '.join(given)} given without {', '.join(missing)}: start with deepspeed or torchrun, "
            "which set all, or unset them to work in one process"
        )
    rank, local_rank, world_size, port = (_number(environment, name) for name in PLACE if name != "MASTER_ADDR")
    if not 0 <= rank < world_size:
        raise ConfigError(f"environment: RANK = {rank}: must be at least 0 and below WORLD_SIZE = {world_size}")
    on_node = next((_number(environment, name) for name in ON_NODE if name in environment), 1)
    return Placement(rank, local_rank, world_size, environment["MASTER_ADDR"], port, on_node)


def choose_accelerator(environment: MutableMapping[str, str]) -> None:
    """Tell DeepSpeed to use the CPU where there is no GPU, and torch not to load a compiler that nothing here uses.

    Takes effect only before deepspeed is imported.
    """
    environment.setdefault("TORCHDYNAMO_DISABLE", "1")  # it costs 5 to 8 seconds at every start
    from torch import cuda  # noqa: PLC0415  # reads the environment that was set above

    if not cuda.is_available():
        environment.setdefault("DS_ACCELERATOR", "cpu")


def _number(environment: Mapping[str, str], name: str) -> int:
    try:
        return int(environment[name])
    except ValueError:
        raise ConfigError(f"environment: {name} = {environment[name]!r}: must be a whole number") from None
