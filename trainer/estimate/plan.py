"""The plan of a run on a cluster: whether it fits, how long a step and an epoch take, and what an epoch costs."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ..config import Config
from .cluster import Cluster
from .memory import Memory, RankMemory, rank_memory
from .neighbours import IndexPlan, index_plan
from .shape import EncoderShape
from .step_time import StepTime, step_time
from .traffic import Sent, traffic
from .workload import Corpus, Workload

_GIB = 2**30


@dataclass(frozen=True)
class Shortfall:
    """A memory that is too small.

    Attributes:
        place: Which memory.
        needed: Bytes that a rank needs of it.
        allowed: Bytes that a rank may take.
        moment: When in a step the rank needs most.
    """

    place: str
    needed: int
    allowed: int
    moment: str


@dataclass(frozen=True)
class Plan:
    """What is predicted of a run; nothing is allocated for it."""

    work: Workload
    cluster: Cluster

    @classmethod
    def of(cls, config: Config, shape: EncoderShape, corpus: Corpus, cluster: Cluster) -> "Plan":
        """Plan a run; ConfigError where the ranks of the cluster cannot share its batches.

        train.precision = "auto" is planned as the faster one by the rates of the cluster: its devices are not here.
        """
        if config.train.precision == "auto":
            config = config.in_precision(cluster.faster_precision)
        plan = cls(Workload(config, shape, corpus, cluster.world_size), cluster)
        plan.work.accumulation  # noqa: B018  # raises here, and not where a number is asked for
        return plan

    @cached_property
    def memory(self) -> RankMemory:
        """What a rank keeps."""
        return rank_memory(self.work, self.cluster)

    @cached_property
    def time(self) -> StepTime:
        """How long a step takes."""
        return step_time(self.work, self.cluster)

    @cached_property
    def traffic(self) -> tuple[Sent, ...]:
        """What a rank sends in a step."""
        return traffic(self.work)

    @property
    def neighbours(self) -> IndexPlan | None:
        """What the run's neighbour index takes while the run answers, if it has one."""
        return index_plan(self.work, self.cluster)

    @property
    def fits(self) -> bool:
        """Whether every memory is large enough."""
        return not self.lacks

    @property
    def lacks(self) -> tuple[Shortfall, ...]:
        """What is too small."""
        return tuple(self._lacks())

    @property
    def records_per_second(self) -> float:
        """Training records of all ranks."""
        return self._records / self.time.total

    @property
    def steps_per_epoch(self) -> float:
        """Optimizer steps that read as many records as there are."""
        return self.work.corpus.records / self._records

    @property
    def epoch_hours(self) -> float:
        """Hours of an epoch, evaluations and checkpoints left out."""
        return self.steps_per_epoch * self.time.total / 3600

    @property
    def epoch_cost(self) -> float:
        """Price of an epoch."""
        return self.epoch_hours * self.work.world_size * self.cluster.nodes.price

    def allowed(self, place: str) -> int:
        """Say how many bytes of a memory a rank may take."""
        nodes = self.cluster.nodes
        whole = (nodes.device_gib or 0) if place == "GPU" else nodes.host_gib / nodes.ranks
        return round(whole * _GIB * (1 - nodes.headroom))

    def memories(self) -> Iterator[tuple[str, Memory]]:
        """Name the memories of a rank."""
        yield "host", self.memory.host
        if self.cluster.has_gpus:
            yield "GPU", self.memory.device

    @property
    def _records(self) -> int:
        return self.work.records * self.work.accumulation * self.work.world_size

    def _lacks(self) -> Iterator[Shortfall]:
        for place, memory in self.memories():
            if memory.total > self.allowed(place):
                yield Shortfall(place, memory.total, self.allowed(place), memory.moment)
