"""`python -m benchmarks.telemetry CONFIG`: which share of a real training step its metrics and events take.

One rank trains in this process, and a stopwatch hangs at every place where training gives time to telemetry: callbacks
that report a step, and the phase clock. Before the endpoint closes it is scraped some more: a scrape counts in full,
once in the 15 seconds of the sample configuration of Prometheus. Seconds are those of the processor, so that other
work on the machine is in none of them. From the end of the third step to the last. Last line: JSON.
"""

import argparse
import json
import time
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen

from launcher.rank import train
from trainer.telemetry import PhaseClock, Telemetry
from trainer.training.callbacks.reporting import FetchMetricsCallback, MetricsCallback, WorkMetricsCallback

WARM = 3
SCRAPES = 20
SCRAPE_INTERVAL = 15.0
PLACES: tuple[tuple[type, str], ...] = (
    (MetricsCallback, "after_step"),
    (WorkMetricsCallback, "after_step"),
    (FetchMetricsCallback, "after_step"),
    (PhaseClock, "_switch_to"),
)


@dataclass
class Watch:
    """Processor seconds of telemetry so far; when steps ended, and how much it was then; those of a scrape."""

    spent: float = 0.0
    ends: list[tuple[float, float]] = field(default_factory=list)
    scrape: float = 0.0

    def hang_at(self, owner: type, name: str) -> None:
        """Time a method in all its calls; none of `PLACES` calls another."""
        method = getattr(owner, name)

        @wraps(method)
        def timed(*arguments: Any) -> Any:
            started = time.thread_time()
            try:
                return method(*arguments)
            finally:
                now = time.thread_time()
                self.spent += now - started
                if owner is MetricsCallback:
                    self.ends.append((now, self.spent))

        setattr(owner, name, timed)

    def scrape_before_the_end(self) -> None:
        """Scrape an endpoint that closes; what asks is counted with what answers."""
        close = Telemetry.close

        def scrape_and_close(telemetry: Telemetry) -> None:
            started = time.process_time()
            for _ in range(SCRAPES):
                with urlopen(f"http://127.0.0.1:{telemetry.port}/metrics", timeout=60) as answer:
                    answer.read()
            self.scrape = (time.process_time() - started) / SCRAPES
            close(telemetry)

        setattr(Telemetry, "close", scrape_and_close)  # noqa: B010  # to a type checker, a method is no variable

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
    watch = Watch()
    watch.scrape_before_the_end()
    for owner, name in PLACES:
        watch.hang_at(owner, name)
    with TemporaryDirectory() as folder:
        settings = [f"run.folder={folder}/run", f"train.steps={options.steps}", "telemetry.port=0"]
        train(options.config, [*settings, *options.set])
    step, own = watch.per_step()
    share = own / step + watch.scrape / SCRAPE_INTERVAL
    print(f"step {1e3 * step:.1f} ms, telemetry in it {1e3 * own:.3f} ms, a scrape {1e3 * watch.scrape:.1f} ms")
    print(
        json.dumps({"overhead": round(share, 6), "callbacks": round(own / step, 6), "scrape": round(watch.scrape, 5)})
    )


if __name__ == "__main__":
    main()
