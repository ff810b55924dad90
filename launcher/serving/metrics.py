"""The metrics of a server, those of the catalogue, and how its requests ended."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest

from trainer.telemetry import SERVING, register

from .problems import Problem

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class ServingMetrics:
    """Counts questions, batches and checkpoints."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._instruments = register(self._registry, metrics=SERVING)

    def text(self) -> bytes:
        """Write all in Prometheus' text format."""
        return generate_latest(self._registry)

    def gauge(self, name: str, **labels: str) -> Gauge:
        """Find a gauge of the catalogue."""
        return self._instruments.gauge(name, labels)

    def counter(self, name: str, **labels: str) -> Counter:
        """Find a counter of the catalogue."""
        return self._instruments.counter(name, labels)

    def batch_done(self, texts: int, seconds: float) -> None:
        """Count a batch."""
        self.counter("serve_batches_total").inc()
        self.counter("serve_texts_total").inc(texts)
        self._instruments.histograms["serve_batch_duration_seconds"].observe(seconds)

    @contextmanager
    def question(self) -> Iterator[None]:
        """Count the block as one question, by how it ends; only what is answered is timed."""
        started, outcome = perf_counter(), "failed"
        try:
            yield
            outcome = "answered"
            self._instruments.histograms["serve_request_duration_seconds"].observe(perf_counter() - started)
        except ClientGoneError:
            outcome = "gone"
            raise
        except Problem as problem:
            outcome = {"busy": "busy", "not-ready": "busy"}.get(problem.kind, "refused")
            raise
        finally:
            self.counter("serve_requests_total", outcome=outcome).inc()


class ClientGoneError(Exception):
    """The client has hung up: nobody reads an answer."""


def package_version() -> str:
    """Say which lmmtc this is."""
    try:
        return version("lmmtc")
    except PackageNotFoundError:  # started from a clone that was never installed
        return "unknown"
