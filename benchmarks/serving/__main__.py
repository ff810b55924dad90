"""`python -m benchmarks.serving --run RUN --texts FILE`: about two minutes; the last line is JSON.

A server of its own for each contender, on loopback, and clients in this process: both have the same cores. Texts are
those of a JSON-lines file, each asked once. Left out here: 1,000,000 trained labels, and Annif with Omikuji.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa

from launcher.ports import free_port
from launcher.serving.label_search import LabelSearch, build
from sharding import Vocabulary
from trainer.run.folder import RunFolder

from .clients import Measured, clicks, load

CLIENTS = (1, 8, 64)


def main() -> None:
    """Measure and print."""
    options = parse()
    texts, found = Texts(options.texts), {}
    print("| batch | clients | requests/s | p50 ms | p95 ms | p99 ms |\n| --- | --- | --- | --- | --- | --- |")
    for batch in (32, 1):
        with server(options.run, "--batch", batch, "--cache-mib", 0) as port:
            load(port, 8, texts, 2)  # warm
            for clients in CLIENTS:
                found[batch, clients] = load(port, clients, texts, options.seconds)
                print(row(batch, clients, found[batch, clients]))
    ratios = {
        "batched_vs_single_64": found[32, 64].requests_per_second / found[1, 64].requests_per_second,
        "p99_ms_8": found[32, 8].milliseconds[2],
        "labels": len(RunFolder(options.run).vocabulary()),
    }
    for context in ("joint", "prefix"):
        with as_context(options.run, context) as run, server(run) as port:
            names = RunFolder(run).vocabulary().names[:50].to_pylist()
            clicks(port, texts, names, 5)
            cold, click = clicks(port, texts, names, options.records)
        print(f"\ncontext {context}: {1000 * cold:.1f} ms cold, {1000 * click:.1f} ms for a click")
        ratios[f"click_vs_cold_{context}"] = click / cold
    ratios["label_search_p99_ms_1m"] = search_million()
    print(json.dumps({name: round(value, 3) for name, value in ratios.items()}))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="a trained run; its folder is written to")
    parser.add_argument("--texts", type=Path, required=True, help="JSON lines with texts")
    parser.add_argument("--seconds", type=float, default=6, help="of each load")
    parser.add_argument("--records", type=int, default=60, help="texts that are clicked on")
    return parser.parse_args()


class Texts:
    """Texts of a file for any number of threads, with a number in front from the second round on: none comes twice."""

    def __init__(self, path: Path) -> None:
        lines = path.read_text(encoding="utf-8").splitlines()[:5000]
        self._texts, self._number = [json.loads(line)["text"] for line in lines], count()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        number = next(self._number)
        return f"{number // len(self._texts)} {self._texts[number % len(self._texts)]}"


@contextmanager
def server(run: Path, *options: object) -> Iterator[int]:
    """Start a server, and end it."""
    port = free_port()
    words = [
        sys.executable,
        "-c",
        "from launcher.cli import main; main()",
        "serve",
        run,
        "--port",
        port,
        "--quiet",
        "--waiting",
        1024,
    ]
    program = subprocess.Popen([*map(str, words), *map(str, options)], stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        while program.poll() is None:
            with suppress(OSError, urllib.error.URLError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz"):
                break
            time.sleep(0.2)
        yield port
    finally:
        program.terminate()
        program.wait()


@contextmanager
def as_context(run: Path, context: str) -> Iterator[Path]:
    """Show the run with another context: its answers mean nothing then, and take as long."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "run"
        shutil.copytree(run, copy, ignore=shutil.ignore_patterns("checkpoints", "tuned.json", "neighbours"))
        (copy / "checkpoints").symlink_to((run / "checkpoints").resolve())
        config = json.loads((copy / "config.json").read_text())
        config["cloze"]["context"] = context
        (copy / "config.json").write_text(json.dumps(config))
        yield copy


def search_million(labels: int = 1_000_000, questions: int = 300) -> float:
    """Build an index of labels of three words each and search beginnings; milliseconds at the 99th percentile."""
    draw = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(draw.choice(letters, draw.integers(3, 10))) for _ in range(30_000)]
    chosen = draw.zipf(1.3, (labels, 3)) % len(words)
    names = [" ".join(words[word] for word in row) + f" {number}" for number, row in enumerate(chosen.tolist())]
    vocabulary = Vocabulary(pa.array(names), pa.nulls(labels, pa.string()), np.zeros(labels, np.int64))
    with tempfile.TemporaryDirectory() as place:
        started = time.perf_counter()
        build(Path(place) / "labels.sqlite", vocabulary, "")
        print(f"\n{labels:,} labels: index built in {time.perf_counter() - started:.0f} s")
        search, seconds = LabelSearch(Path(place) / "labels.sqlite"), []
        for number in draw.integers(0, labels, questions).tolist():
            parts = names[number].split()[: draw.integers(1, 4)]
            asked = " ".join(part[: draw.integers(1, len(part) + 1)] for part in parts)
            started = time.perf_counter()
            search.find(asked, 12)
            seconds.append(time.perf_counter() - started)
    return Measured.of(seconds, 1).milliseconds[2]


def row(batch: int, clients: int, measured: Measured) -> str:
    """Write a row of the table."""
    p50, p95, p99 = measured.milliseconds
    return f"| {batch} | {clients} | {measured.requests_per_second:.1f} | {p50:.0f} | {p95:.0f} | {p99:.0f} |"


if __name__ == "__main__":
    main()
