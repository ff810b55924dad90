"""`Placement` and `Node`: rank and world size; and how a variable is read, or refused by name, value and rule."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trainer.errors import ConfigError

PLACE = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
ON_NODE = ("LOCAL_WORLD_SIZE", "LOCAL_SIZE")  # as torchrun and as deepspeed call it
DEFAULT_PORT = 29_500  # as torch's own

Environment = Mapping[str, str]


@dataclass(frozen=True)
class Placement:
    """This process among all, and on its node, where `on_node` of them are; rank 0 listens at the master's address."""

    rank: int
    local_rank: int
    world_size: int
    master_addr: str
    master_port: int
    on_node: int = 1

    def variables(self) -> dict[str, str]:
        """Name what torch.distributed and DeepSpeed read, and what says the same to a process started from here."""
        return {
            "RANK": str(self.rank),
            "LOCAL_RANK": str(self.local_rank),
            "WORLD_SIZE": str(self.world_size),
            "MASTER_ADDR": self.master_addr,
            "MASTER_PORT": str(self.master_port),
            "LOCAL_WORLD_SIZE": str(self.on_node),
        }


@dataclass(frozen=True)
class Node:
    """This machine, or pod, among all `count` of the run; port 0, with one node: any that is free."""

    index: int
    count: int
    master_addr: str
    master_port: int

    def place(self, local_rank: int, on_node: int) -> Placement:
        """Place one of `on_node` ranks, of which every node has as many: ranks count through the nodes."""
        rank = self.index * on_node + local_rank
        return Placement(rank, local_rank, self.count * on_node, self.master_addr, self.master_port, on_node)


def require(environment: Environment, mark: str, names: Iterable[str], advice: str) -> None:
    """Refuse an environment with `mark` that lacks one of the names. ConfigError."""
    if missing := [name for name in names if name not in environment]:
        raise ConfigError(f"environment: {mark} = {environment[mark]!r} given without {', '.join(missing)}: {advice}")


def number(environment: Environment, name: str) -> int:
    """Read a whole number. ConfigError."""
    try:
        return int(environment[name])
    except ValueError:
        raise ConfigError(f"environment: {name} = {environment[name]!r}: must be a whole number") from None


def count(environment: Environment, name: str) -> int:
    """Read how many there are: at least one. ConfigError."""
    if (value := number(environment, name)) < 1:
        raise ConfigError(f"environment: {name} = {value}: must be at least 1")
    return value


def index(environment: Environment, name: str, end_name: str, end: int) -> int:
    """Read which of `end` it is, counted from 0; `end_name` says in an error where `end` comes from. ConfigError."""
    if not 0 <= (value := number(environment, name)) < end:
        raise ConfigError(f"environment: {name} = {value}: must be at least 0 and below {end_name} = {end}")
    return value


def port(environment: Environment, default: int) -> int:
    """Read MASTER_PORT, if there is one. ConfigError."""
    value = number(environment, "MASTER_PORT") if "MASTER_PORT" in environment else default
    if not 0 <= value < 1 << 16:
        raise ConfigError(f"environment: MASTER_PORT = {value}: must be at least 0 and at most 65535")
    return value
