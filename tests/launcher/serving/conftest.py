"""A service on a tiny trained run, and a client that asks it without a network."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from subprocess import Popen
from time import monotonic, sleep
from typing import Any

import pytest
import requests

pytest.importorskip("starlette", reason="the serve extra is not installed")

from starlette.testclient import TestClient

from launcher.ports import free_port
from launcher.serving.api import Service
from launcher.serving.application import application
from launcher.serving.assist import Assist
from launcher.serving.questions import Limits
from launcher.serving.server import ServeSettings, build
from tests.programs import PROGRAMS, ROOT, end_of, started

SMALL = Limits(body_bytes=20_000, body_seconds=1, texts=4, characters=1000, labels=50, top=48)


@pytest.fixture(scope="session")
def run(context_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the trained run: the server writes its index of labels beside it."""
    return Path(shutil.copytree(context_run, tmp_path_factory.mktemp("served") / "run"))


@pytest.fixture(scope="session")
def service(run: Path) -> Service:
    """Load the run once."""
    return build(ServeSettings(run, limits=SMALL))


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    """Serve with limits that are easily reached."""
    with TestClient(application(Assist(fresh(service))), raise_server_exceptions=False) as client:
        yield client


def fresh(service: Service, **changes: Any) -> Service:
    """Copy a service, with a thread of its own."""
    from launcher.serving.batching import Batcher, Batching
    from launcher.serving.metrics import ServingMetrics

    metrics = ServingMetrics()
    batcher = Batcher(service.current.answer, Batching(), metrics)
    return replace(service, **{"batcher": batcher, "metrics": metrics} | changes)


def problem(response: Any) -> tuple[int, str, str]:
    """Take a problem apart: status, kind and detail."""
    assert response.headers["content-type"] == "application/problem+json"
    content = response.json()
    assert content["status"] == response.status_code
    return response.status_code, content["type"].removeprefix("/docs#"), content["detail"]


class Address(str):
    """Where a server listens, as the beginning of an address."""

    __slots__ = ()

    @property
    def host(self) -> str:
        """Its host."""
        return self.removeprefix("http://").rpartition(":")[0]

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.rpartition(":")[2])


@contextmanager
def serving(
    run: Path, *options: object, port: int | None = None, token: str | None = None
) -> Iterator[tuple[Address, Popen[str]]]:
    """Start `lmmtc serve` as a user does, and wait until it is ready."""
    port, surroundings = port or free_port(), {"PYTHONPATH": ROOT} | ({"LMMTC_SERVE_TOKEN": token} if token else {})
    with started(PROGRAMS / "lmmtc", "serve", run, "--port", port, *options, env=surroundings) as program:
        address = Address(f"http://127.0.0.1:{port}")
        ends = monotonic() + 250  # a machine that does much else imports torch in a minute
        while not is_ready(address):
            assert program.poll() is None, end_of(program)
            assert monotonic() < ends, "the server is not ready"
            sleep(0.2)
        yield address, program


def is_ready(address: str) -> bool:
    """Ask a server that may not be there yet."""
    with suppress(requests.RequestException):
        return requests.get(f"{address}/readyz", timeout=5).ok
    return False


@pytest.fixture(scope="session")
def server(run: Path) -> Iterator[Address]:
    """Serve the run on loopback for all tests that need a real server."""
    with serving(run, "--waiting", 64) as (address, _):
        yield address
