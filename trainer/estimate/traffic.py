"""Network traffic of a rank in an optimizer step, by part and by the phase that waits for it: nothing overlaps."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..telemetry import Phase
from .cluster import NetworkSection, NodesSection
from .workload import Workload

_FULL, _ID = 4, 8
_BACK_AND_FORTH = 2  # an all-reduce sends everything twice: as sums, and as results


@dataclass(frozen=True)
class Sent:
    """Traffic of one part of a step.

    Attributes:
        name: Name of the part.
        phase: The phase that waits for it.
        sent: Bytes that a rank sends to others in a step.
        collectives: How many collectives send them.
        to_all: Whether each other rank gets a part of its own.
    """

    name: str
    phase: Phase
    sent: float
    collectives: int
    to_all: bool = False


def traffic(work: Workload) -> tuple[Sent, ...]:
    """Count a step's traffic; nothing for one rank."""
    if work.world_size == 1:
        return ()
    per_step = work.accumulation
    return tuple(
        Sent(one.name, one.phase, one.sent * per_step, one.collectives * per_step, one.to_all)
        for one in _micro_step(work)
    ) + tuple(_step(work))


def seconds(one: Sent, nodes: NodesSection, network: NetworkSection) -> float:
    """Time collectives: a ring is as fast as its slowest link; what goes to all goes partly to ranks of one's node."""
    world = nodes.count * nodes.ranks
    outside = 0.0 if nodes.count == 1 else (world - nodes.ranks) / (world - 1) if one.to_all else 1.0
    rate = outside / network.between_gbs + (1 - outside) / network.inside_gbs
    return one.sent * rate / 1e9 + one.collectives * network.latency_us / 1e6


def _micro_step(work: Workload) -> Iterator[Sent]:
    ranks, records = work.world_size, work.records
    others = ranks - 1
    if work.scans:
        records *= 1 + work.config.cloze.denied  # some are scanned for twice
        width, most = work.label_width, work.shortlist
        hidden = work.revealed * (1 + work.config.cloze.reads_context)  # empty places travel, too
        pairs = records * (work.corpus.positives * (1 + bool(work.config.cloze.inject)) + hidden)
        yield Sent("queries", "scan", others * records * (width * _FULL + _FULL), 1)
        yield Sent("pairs of records and labels", "scan", others * pairs * 2 * _FULL, 2)
        yield Sent("shortlists", "scan", others * records * most * 2 * _FULL, 1, to_all=True)
        yield Sent("query gradients", "scan", others * records * width * _FULL, 0, to_all=True)  # with the shortlists
    wanted = _wanted(work) * others / ranks
    rows = wanted * (work.row_width + 2) * _FULL
    # Rows of what is revealed travel before those of the shortlist.
    lookups = work.config.cloze.has_slots + work.config.cloze.reads_context
    yield Sent("row ids", "scan", wanted * _ID, 2 * lookups, to_all=True)
    yield Sent("rows", "scan", rows, lookups, to_all=True)
    yield Sent("row gradients", "backward", rows, lookups, to_all=True)
    if work.config.train.zero_stage == 3:
        whole = _FULL * work.parameters * others / ranks
        yield Sent("parameters, before they are used", "backward", 2 * whole, 2 * work.shape.layers)
    if work.config.train.zero_stage >= 2:
        yield from _gradients(work)


def _step(work: Workload) -> Iterator[Sent]:
    stage = work.config.train.zero_stage
    yield Sent("counts and checks", "optimizer", (4 + 8) * _ID * _BACK_AND_FORTH, 2)
    if stage < 2:
        yield from _gradients(work)
    if stage in {1, 2}:
        whole = _FULL * work.parameters * (work.world_size - 1) / work.world_size
        yield Sent("moved parameters", "optimizer", whole, 1)


def _gradients(work: Workload) -> Iterator[Sent]:
    """ZeRO 1 and 2 reduce a bucket on all ranks though each needs its share alone; ZeRO-3 sends only the shares."""
    number = 2 if work.config.train.precision == "bf16" and work.config.train.zero_stage else _FULL
    whole = number * work.parameters * (work.world_size - 1) / work.world_size
    sent = whole if work.config.train.zero_stage == 3 else whole * _BACK_AND_FORTH
    yield Sent("dense gradients", "backward", sent, 1)


def _wanted(work: Workload) -> float:
    """Count the distinct rows that a rank's records ask for: at most all."""
    shown = work.slots + work.mean_revealed if work.scans else work.corpus.labels
    return min(work.records * shown if work.scans else shown, work.corpus.labels)
