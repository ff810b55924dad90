"""How a rank's metrics are kept and served: one registry, one HTTP server thread, started before rendezvous."""

import errno
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
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

from .catalogue import CATALOGUE, DURATION_BUCKETS, Phase

EVERY_INTERFACE = "0.0.0.0"  # noqa: S104 - Prometheus scrapes a pod from outside

Instrument = TypeVar("Instrument", Counter, Gauge, Histogram)


class TelemetryError(LmmtcError):
    """The metrics endpoint cannot be opened."""


@dataclass(frozen=True)
class Instruments:
    """The live counterpart of the catalogue, by name without the prefix."""

    counters: Mapping[str, Counter]
    gauges: Mapping[str, Gauge]
    histograms: Mapping[str, Histogram]


class Telemetry:
    """The metrics of one rank; a rank may set what only the first one exports, and nobody will see it."""

    def __init__(
        self, instruments: Instruments, server: WSGIServer | None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._instruments = instruments
        self._server = server
        self._clock = clock
        self._phase: Phase | None = None
        self._phase_start = 0.0

    @classmethod
    def serve(cls, port: int | None, *, is_first_rank: bool, host: str = EVERY_INTERFACE) -> "Telemetry":
        """Register the catalogue and serve it from a thread; port None serves nothing, 0 takes any free port.

        Raises TelemetryError when the port is taken.
        """
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        instruments = _register(registry, is_first_rank=is_first_rank)
        return cls(instruments, None if port is None else _listen(port, host, registry))

    @property
    def port(self) -> int | None:
        """The port that is served; None without a server."""
        return self._server.server_port if self._server else None

    @contextmanager
    def phase(self, name: Phase) -> Iterator[None]:
        """Add the wall time of the block to a phase; a phase inside another one pauses it."""
        outer = self._phase
        self._switch_to(name)
        try:
            yield
        finally:
            self._switch_to(outer)

    def step_done(self, records: float, tokens: float, slots: float, seconds: float) -> None:
        """Count one optimizer step of this rank."""
        self.add("train_steps_total", 1)
        self.add("train_records_total", records)
        self.add("train_tokens_total", tokens)
        self.add("slots_total", slots)
        self.set("last_step_timestamp_seconds", time.time())
        self._instruments.histograms["step_duration_seconds"].observe(seconds)

    def losses(self, terms: Mapping[str, float]) -> None:
        """Show the last step's loss by term: scan, cloze, mlm, total."""
        for term, loss in terms.items():
            self.set("loss", loss, term=term)

    def set(self, metric_name: str, value: float, **labels: str) -> None:
        """Set a gauge; raises KeyError for a name that is no gauge of the catalogue, ValueError for other labels."""
        gauge = self._instruments.gauges[metric_name]
        (gauge.labels(**labels) if labels else gauge).set(value)

    def add(self, metric_name: str, amount: float, **labels: str) -> None:
        """Add to a counter; raises as `set` does."""
        counter = self._instruments.counters[metric_name]
        (counter.labels(**labels) if labels else counter).inc(amount)

    def close(self) -> None:
        """Stop serving and free the port."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def _switch_to(self, phase: Phase | None) -> None:
        now = self._clock()
        if self._phase is not None:
            self.add("phase_seconds_total", now - self._phase_start, phase=self._phase)
        self._phase, self._phase_start = phase, now


def _register(registry: CollectorRegistry, *, is_first_rank: bool) -> Instruments:
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
    for metric in CATALOGUE:
        for value in metric.values if metric.kind == "counter" else ():
            counters[metric.name].labels(value)
    histograms = make("histogram", partial(Histogram, buckets=DURATION_BUCKETS))
    return Instruments(counters, make("gauge", Gauge), histograms)


def _listen(port: int, host: str, registry: CollectorRegistry) -> WSGIServer:
    try:
        server, _ = start_http_server(port, host, registry)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise TelemetryError(
            f"telemetry.port = {port}: already in use on this machine: choose another, or 0 for any free port"
        ) from error
    return server
