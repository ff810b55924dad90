"""The description of a cluster in a TOML file: memory, rates and prices."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..config import Section, read_toml, validated

Count = Annotated[int, Field(gt=0)]
Amount = Annotated[float, Field(gt=0)]
AtLeastZero = Annotated[float, Field(ge=0)]


class NodesSection(Section):
    """How many ranks there are, and what they may keep."""

    count: Count
    """Machines."""
    ranks: Count
    """Ranks of each: one for each GPU."""
    device: Literal["gpu", "cpu"]
    """What trains: with cpu, all that a rank keeps is in host memory."""
    device_gib: Amount | None = None
    """Memory of one GPU."""
    host_gib: Amount
    """Memory of one machine, shared by its ranks."""
    headroom: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of each memory that a plan leaves alone."""
    price: AtLeastZero = 0.0
    """Of one rank for an hour, in any currency."""

    @model_validator(mode="after")
    def _fits(self) -> "NodesSection":
        if (self.device == "gpu") != (self.device_gib is not None):
            said = "unset" if self.device_gib is None else f"{self.device_gib:g}"
            raise ValueError(f"nodes.device_gib = {said}: is required where nodes.device = 'gpu', and nowhere else")
        return self


class RatesSection(Section):
    """What one rank achieves, all ranks of its machine being busy: not what a data sheet promises."""

    encoder_tflops_fp32: Amount
    """Of an encoder's passes, everything between the products counted in: 10^12 operations a second."""
    encoder_tflops_bf16: Amount
    """The same under train.precision = "bf16"; where it is the higher one, `auto` is planned as bf16."""
    scan_tflops: Amount
    """Of the products of queries and label rows, which are fp32."""
    pointwise_gbs: Amount
    """Of what is done to each logit of a chunk, exponentials among it: 10^9 bytes read and written a second."""
    memory_gbs: Amount
    """Of AdamW's passes over large tensors: 10^9 bytes read and written a second."""
    host_gbs: Amount = 10.0
    """Of rows that a GPU's rank keeps in host memory, there and over the bus: 10^9 bytes a second."""
    launch_us: AtLeastZero = 0.0
    """Microseconds that no kernel is shorter than."""


class NetworkSection(Section):
    """What one rank sends while all others do."""

    inside_gbs: Amount
    """10^9 bytes a second to the ranks of its own machine."""
    between_gbs: Amount
    """10^9 bytes a second to other machines."""
    latency_us: AtLeastZero
    """Microseconds that no collective is shorter than."""


class ProcessSection(Section):
    """What a rank takes before it has learned anything."""

    host_gib: Amount
    """Python, torch, DeepSpeed and what they have loaded."""
    device_gib: AtLeastZero = 0.0
    """Of its GPU: the context of CUDA and the buffers of NCCL."""
    scatter: AtLeastZero = 0.0
    """Share of the places left by other parts of a step that an allocator does not use again."""


class Cluster(Section):
    """Where a run is to be started."""

    nodes: NodesSection
    rates: RatesSection
    network: NetworkSection
    process: ProcessSection

    @property
    def world_size(self) -> int:
        """All ranks."""
        return self.nodes.count * self.nodes.ranks

    @property
    def faster_precision(self) -> Literal["fp32", "bf16"]:
        """In which the encoder has the higher rate: fp32 if both are alike."""
        return "bf16" if self.rates.encoder_tflops_bf16 > self.rates.encoder_tflops_fp32 else "fp32"

    @property
    def has_gpus(self) -> bool:
        """Whether a rank's work is on a memory of its own."""
        return self.nodes.device == "gpu"


def load_cluster(path: Path) -> Cluster:
    """Read a cluster; ConfigError names the file and the key that is missing, unknown or out of bounds."""
    return validated(Cluster, read_toml(path, "cluster file"), str(path))
