"""Clients of a server: a number of threads that ask one question after the other, each over one connection."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from threading import Thread
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Measured:
    """What some clients have seen.

    Attributes:
        requests_per_second: Of all together.
        milliseconds: Latencies at the 50th, 95th and 99th percentile.
    """

    requests_per_second: float
    milliseconds: tuple[float, float, float]

    @classmethod
    def of(cls, seconds: Sequence[float], wall: float) -> "Measured":
        """Summarise latencies."""
        p50, p95, p99 = (1000 * np.percentile(seconds, (50, 95, 99))).tolist()
        return cls(len(seconds) / wall, (p50, p95, p99))


class Client:
    """One connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, address: str, body: dict[str, Any] | None = None) -> tuple[float, Any]:
        """Ask once; returns the seconds and the answer."""
        started = time.perf_counter()
        content = None if body is None else json.dumps(body)
        self._connection.request(
            "GET" if body is None else "POST", address, content, {"Content-Type": "application/json"}
        )
        response = self._connection.getresponse()
        found = response.read()
        seconds = time.perf_counter() - started
        if response.status != 200:
            raise RuntimeError(f"{address}: {response.status} {found[:200]!r}")
        return seconds, json.loads(found)


def load(port: int, clients: int, texts: Iterator[str], seconds: float) -> Measured:
    """Let so many clients ask for so long, each text once."""
    latencies: list[list[float]] = [[] for _ in range(clients)]
    started = time.perf_counter()
    ends = started + seconds

    def work(own: list[float]) -> None:
        client = Client(port)
        while time.perf_counter() < ends:
            own.append(client.ask("/v1/predict", {"texts": [next(texts)], "top": 10})[0])

    threads = [Thread(target=work, args=(own,)) for own in latencies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Measured.of([latency for own in latencies for latency in own], time.perf_counter() - started)


def clicks(port: int, texts: Iterator[str], labels: Sequence[str], records: int) -> tuple[float, float]:
    """Ask of each text with one given label, then with a second one: median seconds cold, and of the click."""
    client, cold, click = Client(port), list[float](), list[float]()
    for number in range(records):
        text, first, second = next(texts), labels[number % len(labels)], labels[(number + 1) % len(labels)]
        cold.append(client.ask("/v1/predict", {"texts": [text], "given": [first]})[0])
        click.append(client.ask("/v1/predict", {"texts": [text], "given": [first, second]})[0])
    return float(np.median(cold)), float(np.median(click))
