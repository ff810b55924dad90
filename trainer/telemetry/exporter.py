"""The Prometheus exporter of a rank: one registry, one HTTP server thread, started before rendezvous."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)

from sharding import LmmtcError

from .catalogue import CATALOGUE, SERVING, GoodputKind, Metric, Phase
from .phases import Goodput, Marks, PhaseClock
from .run_history import RunHistory

EVERY_INTERFACE = "0.0.0.0"  # noqa: S104 - Prometheus scrapes a pod from outside


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


class TelemetryError(LmmtcError):
    """The metrics endpoint cannot be opened."""


class Telemetry:
    """The metrics of one rank; what only the first rank exports may be set on any, without effect on others."""

    def __init__(
        self, instruments: Instruments, server: WSGIServer | None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._instruments = instruments
        self._server = server
        self._phases = PhaseClock(self._phase_done, self._phase_done_on_device, clock)
        self.goodput = Goodput(self._spend)

    @classmethod
    def serve(cls, port: int | None, *, is_first_rank: bool, host: str = EVERY_INTERFACE) -> "Telemetry":
        """Register the catalogue and serve it from a thread.

        Args:
            port: To listen on; None: nothing is served; 0: any free port.
            is_first_rank: Whether metrics of the whole run are exported, too.
            host: Address of the interface.

        Raises:
            TelemetryError: The port cannot be listened on.
        """
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        instruments = register(registry, is_first_rank=is_first_rank)
        return cls(instruments, None if port is None else _listen(port, host, registry))

    @property
    def port(self) -> int | None:
        """The port that is served; None without a server."""
        return self._server.server_port if self._server else None

    def phase(self, name: Phase) -> AbstractContextManager[None]:
        """Add the time of the block to a phase; a phase inside another one pauses it."""
        return self._phases.phase(name)

    def time_on_device(self, marks: Marks) -> None:
        """Add the device's time to phases, too, from the next one on."""
        self._phases.follow(marks)

    def begin(self, past: RunHistory, started: float) -> None:
        """Count what lies before the first step of a process that was started at this Unix time."""
        self.add("restarts_total", past.restarts)
        self.add("faults_total", past.faults)
        self.goodput.begin(past, started)

    def step_done(self, records: float, tokens: float, slots: float, seconds: float) -> None:
        """Count one optimizer step of this rank."""
        self.add("train_steps_total", 1)
        self.add("train_records_total", records)
        self.add("train_tokens_total", tokens)
        self.add("slots_total", slots)
        self.set("last_step_timestamp_seconds", time.time())
        self._instruments.histograms["step_duration_seconds"].observe(seconds)
        self._phases.read()

    def losses(self, terms: Mapping[str, float]) -> None:
        """Show the last step's loss by term: scan, cloze, mlm, total."""
        for term, loss in terms.items():
            self.set("loss", loss, term=term)

    def set(self, metric_name: str, value: float, **labels: str) -> None:
        """Set a gauge; raises KeyError for a name that is no gauge of the catalogue, ValueError for other labels."""
        self._instruments.gauge(metric_name, labels).set(value)

    def read_when_scraped(self, metric_name: str, read: Callable[[], float], **labels: str) -> None:
        """Let a gauge show what `read` returns, in the server's thread, at each scrape; raises as `set` does."""
        self._instruments.gauge(metric_name, labels).set_function(read)

    def add(self, metric_name: str, amount: float, **labels: str) -> None:
        """Add to a counter; raises as `set` does."""
        self._instruments.counter(metric_name, labels).inc(amount)

    def close(self) -> None:
        """Stop serving and free the port."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def _phase_done(self, phase: Phase, seconds: float) -> None:
        self.add("phase_seconds_total", seconds, phase=phase)
        self.goodput.phase_done(phase, seconds)

    def _phase_done_on_device(self, phase: Phase, seconds: float) -> None:
        self.add("phase_device_seconds_total", seconds, phase=phase)

    def _spend(self, kind: GoodputKind, seconds: float) -> None:
        self.add("goodput_seconds_total", seconds, kind=kind)


def _listen(port: int, host: str, registry: CollectorRegistry) -> WSGIServer:
    try:
        server, _ = start_http_server(port, host, registry)
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else "the last port is 65535"
        raise TelemetryError(
            f"port {port} for metrics, telemetry.port + the local rank: {why}: choose another telemetry.port, or 0 for "
            "any free port"
        ) from error
    return server


Instrument = TypeVar("Instrument", Counter, Gauge, Histogram)

_KNOWN = {metric.name: frozenset(metric.values) for metric in (*CATALOGUE, *SERVING) if metric.values}


def register(
    registry: CollectorRegistry, *, is_first_rank: bool = True, metrics: Iterable[Metric] = CATALOGUE
) -> Instruments:
    """Make every metric; what only the first rank exports, others keep to themselves."""
    disable_created_metrics()  # a second series per counter that no query of ours reads
    metrics = tuple(metrics)

    def make(kind: str, create: Callable[..., Instrument]) -> dict[str, Instrument]:
        return {
            metric.name: create(
                metric.exported_name,
                metric.help,
                metric.labels,
                registry=registry if is_first_rank or not metric.first_rank_only else None,
                **({"buckets": metric.buckets} if kind == "histogram" else {}),
            )
            for metric in metrics
            if metric.kind == kind
        }

    counters = make("counter", Counter)
    for name, counter in counters.items():
        for value in _KNOWN.get(name, ()):
            counter.labels(value)
    return Instruments(counters, make("gauge", Gauge), make("histogram", Histogram))


def _series(instrument: Instrument, name: str, labels: Mapping[str, str]) -> Instrument:
    if name in _KNOWN and not _KNOWN[name].issuperset(labels.values()):
        raise ValueError(f"{name}: labels {dict(labels)} are not among those of the catalogue, {sorted(_KNOWN[name])}")
    return instrument.labels(**labels) if labels else instrument
