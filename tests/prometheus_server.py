"""A real Prometheus and a real Alertmanager with the shipped configuration, living faster than in earnest."""

import json
import shutil
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from launcher.ports import free_port
from tests.deploy.prometheus.rules import faster, load, write
from tests.programs import started

LOCAL = "127.0.0.1"
TIMES = 60  # what takes a minute in earnest takes a second here
PROGRAMS = ("prometheus", "prometheus-alertmanager")

needs_servers = pytest.mark.skipif(
    not all(map(shutil.which, PROGRAMS)), reason=f"the Debian packages {' and '.join(PROGRAMS)} are not installed"
)


@dataclass(frozen=True)
class Prometheus:
    """Answers queries."""

    port: int

    def query(self, expression: str) -> dict[str, float]:
        """Evaluate now: {instance, or else run_id: value}."""
        address = f"http://{LOCAL}:{self.port}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        result = fetch(address)["data"]["result"]
        return {
            series["metric"].get("instance", series["metric"].get("run_id", "")): float(series["value"][1])
            for series in result
        }


@contextmanager
def prometheus(folder: Path, targets: Sequence[str], alertmanager: int) -> Iterator[Prometheus]:
    """Scrape these targets every second, under the shipped rules."""
    port = free_port()
    content = load("prometheus.yml")
    content["global"] = dict.fromkeys(content["global"], "1s")
    content["scrape_configs"][0]["static_configs"] = [{"targets": list(targets)}]
    content["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [f"{LOCAL}:{alertmanager}"]}]
    write(faster(load("rules.yml"), TIMES), folder / "rules.yml")
    config = write(content, folder / "prometheus.yml")
    words = (
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={LOCAL}:{port}",
    )
    with started("prometheus", *words, "--log.level=error"):
        wait_until(lambda: is_ready(port))
        yield Prometheus(port)


@contextmanager
def alertmanager(folder: Path, receiver: int) -> Iterator[int]:
    """Send what arrives on to a port of this machine, a second after it has come; returns the port of its API."""
    port = free_port()
    content = load("alertmanager.yml")
    content["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    content["receivers"][0]["webhook_configs"][0]["url"] = f"http://{LOCAL}:{receiver}/"
    config = write(content, folder / "alertmanager.yml")
    words = (f"--config.file={config}", f"--storage.path={folder / 'alerts'}", f"--web.listen-address={LOCAL}:{port}")
    with started("prometheus-alertmanager", *words, "--cluster.listen-address=", "--log.level=error"):
        wait_until(lambda: is_ready(port))
        yield port


@contextmanager
def pager() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Listen as a person's pager would; returns the port and the alerts that have come in so far."""
    received: list[dict[str, Any]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((LOCAL, 0), Listener) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, received
        server.shutdown()


def fetch(address: str) -> Any:
    """Read JSON from an address."""
    with urllib.request.urlopen(address, timeout=10) as response:  # noqa: S310  # of this machine
        return json.load(response)


def is_ready(port: int) -> bool:
    """Tell whether a server answers."""
    try:
        with urllib.request.urlopen(f"http://{LOCAL}:{port}/-/ready", timeout=10) as response:
            return response.status == 200
    except OSError:
        return False


def wait_until(happened: Callable[[], object], timeout: float = 60) -> None:
    """Wait for something that must come."""
    deadline = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < deadline, "what the test waits for does not happen"
        time.sleep(0.1)
