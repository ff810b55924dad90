"""The time of an optimizer step, by the phases that training reports: operations, bytes and traffic over rates."""

from collections.abc import Mapping
from dataclasses import dataclass

from .cluster import Cluster
from .operations import ADAMW_BYTES, ZERO_BYTES, Operations, row_bytes, scan_work
from .traffic import seconds, traffic
from .workload import Workload

_FULL = 4
_LAYER_LAUNCHES = 25  # kernels of a layer
_CHUNK_LAUNCHES = 29  # kernels of a chunk of the scan, as `benchmarks.launches` counts them; none is waited for
_OPTIMIZER_LAUNCHES = 100


@dataclass(frozen=True)
class StepTime:
    """Seconds of an optimizer step by phase, computing and communicating."""

    computing: Mapping[str, float]
    communicating: Mapping[str, float]

    @property
    def total(self) -> float:
        """All phases, one after the other."""
        return sum(self.computing.values()) + sum(self.communicating.values())


def step_time(work: Workload, cluster: Cluster) -> StepTime:
    """Time a step; no phase overlaps another, and data is ready in time."""
    clock, operations = _Clock(work, cluster), Operations.of(work)
    sums = clock.stream(operations.summed_bytes)
    micro = {
        "text": clock.encode(operations.text, operations.text_passes),
        "scan": clock.scan() + (clock.encode(operations.denying, 1) if operations.denying else 0.0),
        "cloze": clock.encode(operations.cloze, operations.cloze_passes) + sums,
        "backward": clock.encode(operations.backward, operations.backward_passes)
        + clock.stream(ZERO_BYTES * work.parameters),
    }
    computing = {phase: each * work.accumulation for phase, each in micro.items()} | {"optimizer": clock.optimizer()}
    communicating = dict.fromkeys(computing, 0.0)
    for one in traffic(work):
        communicating[one.phase] += seconds(one, cluster.nodes, cluster.network)
    return StepTime(computing, communicating)


@dataclass(frozen=True)
class _Clock:
    """Divides operations and bytes by the rates of a cluster."""

    work: Workload
    cluster: Cluster

    def encode(self, operations: float, passes: float) -> float:
        """Time operations at the encoder's rate, or the launches of so many passes if that takes longer."""
        rates = self.cluster.rates
        is_bf16 = self.work.config.train.precision == "bf16"
        rate = rates.encoder_tflops_bf16 if is_bf16 else rates.encoder_tflops_fp32
        return max(operations / rate / 1e12, self._launches(passes * self.work.shape.layers * _LAYER_LAUNCHES))

    def stream(self, moved: float) -> float:
        """Time bytes that large tensors are read and written with."""
        return moved / self.cluster.rates.memory_gbs / 1e9

    def optimizer(self) -> float:
        """Move this rank's share of the parameters, and, where their gradients waited, all rows."""
        share = self.work.parameters / (self.work.world_size if self.work.config.train.zero_stage else 1)
        rows = self._rows(row_bytes(self.work)) if self.work.buffers_gradients else 0.0
        return self.stream(ADAMW_BYTES * share) + rows + self._launches(_OPTIMIZER_LAUNCHES)

    def scan(self) -> float:
        """Score this rank's rows for the queries of all, chunk by chunk, and move them or keep their gradients."""
        if not self.work.scans:
            return 0.0
        rates, labels = self.cluster.rates, self.work.config.labels
        products, logit_bytes = scan_work(self.work)
        moved = self._rows(3 * _FULL if self.work.buffers_gradients else row_bytes(self.work))
        busy = products / rates.scan_tflops / 1e12 + logit_bytes / rates.pointwise_gbs / 1e9
        launches = self._launches(-(-self.work.rows // labels.chunk) * _CHUNK_LAUNCHES)
        return max(busy + labels.negative_share * moved, launches)

    def _rows(self, each: float) -> float:
        """Time so many bytes for each number of all rows, wherever these are; those on the host are copied, too."""
        numbers = self.work.rows * self.work.row_width
        if self.cluster.has_gpus and self.work.config.labels.placement == "host":
            return numbers * (each + 2 * _FULL) / self.cluster.rates.host_gbs / 1e9
        return self.stream(numbers * each)

    def _launches(self, kernels: float) -> float:
        return kernels * self.cluster.rates.launch_us / 1e6
