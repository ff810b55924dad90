"""Peak memory of a rank, by part, on its host and on its GPU."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .cluster import Cluster
from .counting import Components, Counting
from .workload import Workload

_GIB = 2**30


@dataclass(frozen=True)
class Memory:
    """One memory of a rank at its fullest moment.

    Attributes:
        moment: When in a step it is fullest.
        parts: Bytes by part.
    """

    moment: str
    parts: Components = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All parts."""
        return sum(self.parts.values())


@dataclass(frozen=True)
class RankMemory:
    """What a rank keeps in its share of the host's memory, and on its GPU, if it has one."""

    host: Memory
    device: Memory


def rank_memory(work: Workload, cluster: Cluster) -> RankMemory:
    """Count the memory of the rank with most label rows."""
    here = Counting(work, on_gpu=cluster.has_gpus)
    scatter, process = cluster.process.scatter, cluster.process
    host = {"process": round(process.host_gib * _GIB), "labels' counts": here.count_bytes(), "loader": here.loader()}
    making = Memory("start", host | here.making_rows())
    table, dense = here.label_table(), here.dense()
    if not cluster.has_gpus:
        standing, moments = host | dense | table, here.moments()
        if work.config.checkpoint.background:
            standing |= here.saved()
        else:
            moments |= {"checkpoint": here.saved()}
        return RankMemory(max(making, _fullest(standing, moments, scatter), key=_total), Memory("none"))
    if work.config.labels.placement == "host":
        host, table = host | table, {}
    on_device = {"process": round(process.device_gib * _GIB)} | dense | table
    return RankMemory(
        host=max(making, Memory("checkpoint", host | here.saved()), key=_total),
        device=_fullest(on_device, here.moments(), scatter),
    )


@dataclass(frozen=True)
class Moving:
    """What comes and goes within a step.

    Attributes:
        moment: The moment at which it is most.
        parts: Bytes alive then, by part.
        each_at_most: Sum of what each part takes at its own fullest moment.
    """

    moment: str
    parts: Components
    each_at_most: int

    @classmethod
    def of(cls, moments: Mapping[str, Components]) -> "Moving":
        """Compare moments."""
        name, parts = max(moments.items(), key=lambda moment: sum(moment[1].values()))
        names = {part for sizes in moments.values() for part in sizes}
        at_most = sum(max(sizes.get(part, 0) for sizes in moments.values()) for part in names)
        return cls(name, parts, at_most)

    def held(self, scatter: float) -> int:
        """Estimate what an allocator holds beyond what is alive: freed blocks that it does not use again."""
        return round(scatter * (self.each_at_most - sum(self.parts.values())))


def moving(work: Workload, *, on_gpu: bool) -> Moving:
    """Count what comes and goes."""
    return Moving.of(Counting(work, on_gpu=on_gpu).moments())


def standing(work: Workload) -> Components:
    """Count what a rank keeps all the time: parameters, rows, and the state of both optimizers."""
    here = Counting(work, on_gpu=False)
    return here.dense() | here.label_table()


def _total(memory: Memory) -> int:
    return memory.total


def _fullest(standing: Components, moments: Mapping[str, Components], scatter: float) -> Memory:
    most = Moving.of(moments)
    parts = standing | most.parts | {"allocator": most.held(scatter)}
    return Memory(most.moment, {part: size for part, size in parts.items() if size})
