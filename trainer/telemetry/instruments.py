"""The Prometheus instruments of the catalogue: registered, and checked when they are set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from .catalogue import CATALOGUE, DURATION_BUCKETS

Instrument = TypeVar("Instrument", Counter, Gauge, Histogram)

_KNOWN = {metric.name: frozenset(metric.values) for metric in CATALOGUE if metric.values}


@dataclass(frozen=True)
class Instruments:
    """By name without the prefix; KeyError for a name of another kind, ValueError for labels out of the catalogue."""

    counters: Mapping[str, Counter]
    gauges: Mapping[str, Gauge]
    histograms: Mapping[str, Histogram]

    def counter(self, name: str, labels: Mapping[str, str]) -> Counter:
        """Find the series of a counter."""
        return _series(self.counters[name], name, labels)

    def gauge(self, name: str, labels: Mapping[str, str]) -> Gauge:
        """Find the series of a gauge."""
        return _series(self.gauges[name], name, labels)


def register(registry: CollectorRegistry, *, is_first_rank: bool) -> Instruments:
    """Make every metric; what only the first rank exports, others keep to themselves."""
    disable_created_metrics()  # a second series per counter that no query of ours reads

    def make(kind: str, create: Callable[..., Instrument]) -> dict[str, Instrument]:
        return {
            metric.name: create(
                metric.exported_name,
                metric.help,
                metric.labels,
                registry=registry if is_first_rank or not metric.first_rank_only else None,
            )
            for metric in CATALOGUE
            if metric.kind == kind
        }

    counters = make("counter", Counter)
    for name, counter in counters.items():
        for value in _KNOWN.get(name, ()):
            counter.labels(value)
    return Instruments(counters, make("gauge", Gauge), make("histogram", partial(Histogram, buckets=DURATION_BUCKETS)))


def _series(instrument: Instrument, name: str, labels: Mapping[str, str]) -> Instrument:
    if name in _KNOWN and not _KNOWN[name].issuperset(labels.values()):
        raise ValueError(f"{name}: labels {dict(labels)} are not among those of the catalogue, {sorted(_KNOWN[name])}")
    return instrument.labels(**labels) if labels else instrument
