"""`python -m benchmarks.telemetry CONFIG`: which share of a real training step its metrics and events take.

One rank trains in this process, and a stopwatch hangs at every place where training gives time to telemetry: the hooks
that report a step, and the phase clock. A thread scrapes the endpoint every second; a scrape holds the interpreter, so
it counts in full, once in the 15 seconds of the sample configuration of Prometheus. From the end of the third step to
the last. Last line: JSON.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any
from urllib.request import urlopen

from benchmarks.data_wait import two_free_ports
from launcher.training import train
from trainer.hooks import FetchReporting, Reporting, WorkReporting
from trainer.telemetry import PhaseClock

WARM = 3
SCRAPE_INTERVAL = 15.0
PLACES: tuple[tuple[type, str], ...] = (
    (Reporting, "after_step"),
    (WorkReporting, "after_step"),
    (FetchReporting, "after_step"),
    (PhaseClock, "_switch_to"),
)


@dataclass
class Watch:
    """What telemetry has taken so far, and when steps ended and how much it was then."""

    spent: float = 0.0
    ends: list[tuple[float, float]] = field(default_factory=list)

    def hang_at(self, owner: type, name: str) -> None:
        """Time a method in all its calls; none of `PLACES` calls another."""
        method: Callable[..., Any] = getattr(owner, name)

        @wraps(method)
        def timed(*arguments: Any) -> Any:
            started = time.perf_counter()
            try:
                return method(*arguments)
            finally:
                now = time.perf_counter()
                self.spent += now - started
                if owner is Reporting:
                    self.ends.append((now, self.spent))

        setattr(owner, name, timed)

    def per_step(self) -> tuple[float, float]:
        """Return seconds of a step, and those of telemetry in it, means over the steps that are warm."""
        first, last = self.ends[WARM - 1], self.ends[-1]
        steps = len(self.ends) - WARM
        return (last[0] - first[0]) / steps, (last[1] - first[1]) / steps


def main() -> None:
    """Train, watch, tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.telemetry", description=__doc__)
    parser.add_argument("config", type=Path, help="such as examples/icd10/config.toml, its data set converted")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--set", action="append", default=[], help="as in training")
    options = parser.parse_args()
    watch, port = Watch(), two_free_ports()
    for owner, name in PLACES:
        watch.hang_at(owner, name)
    with TemporaryDirectory() as folder:
        settings = [f"run.folder={folder}/run", f"train.steps={options.steps}", f"telemetry.port={port}"]
        scrapes = scraped_while(port, lambda: train(options.config, [*settings, *options.set]))
    step, own = watch.per_step()
    scrape = statistics.median(scrapes)
    share = own / step + scrape / SCRAPE_INTERVAL
    print(f"step {1e3 * step:.1f} ms, telemetry in it {1e3 * own:.3f} ms, a scrape {1e3 * scrape:.1f} ms")
    print(json.dumps({"overhead": round(share, 6), "hooks": round(own / step, 6), "scrape_seconds": round(scrape, 5)}))


def scraped_while(port: int, work: Callable[[], object]) -> list[float]:
    """Scrape once a second while the work goes on; returns how long each scrape took."""
    seconds: list[float] = []
    over = Event()

    def scrape() -> None:
        while not over.wait(1.0):
            started = time.perf_counter()
            try:
                with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                    answer.read()
            except OSError:  # not served yet, or no more
                continue
            seconds.append(time.perf_counter() - started)

    thread = Thread(target=scrape)
    thread.start()
    try:
        work()
    finally:
        over.set()
        thread.join()
    return seconds


if __name__ == "__main__":
    main()
