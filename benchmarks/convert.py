"""`python -m benchmarks.convert --records 10000000`: how long a corpus takes to become shards, and how much memory.

Records are 20 words of the tokenizer's vocabulary and 1 to 7 of a million labels, some of them frequent; JSON lines on
this disk, converted by all cores with the defaults of `lmmtc shard`. Memory is the most that all processes held at
once: PSS counts a page that several have mapped once, RSS counts it for each. Last line: JSON.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Self

import psutil
from tokenizers import Tokenizer

from benchmarks.quality.corpus import encoder_folder
from sharding import convert

WORDS, LABELS = 20, 1_000_000
EVERY = 0.25


class Peak:
    """Watches this process and its children in a thread; pss and rss: bytes, the most at once."""

    def __init__(self) -> None:
        self.pss = self.rss = 0
        self._over = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(EVERY):
            now = list(_held())
            self.pss, self.rss = max(self.pss, sum(pss for pss, _ in now)), max(self.rss, sum(rss for _, rss in now))


def _held() -> Iterator[tuple[int, int]]:
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        try:
            info = process.memory_full_info()
        except psutil.Error:  # it has ended meanwhile
            continue
        yield info.pss, info.rss


def main() -> None:
    """Write, convert, tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.convert", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--folder", type=Path, help="where there is room for seven times the corpus (default: TMPDIR)")
    options = parser.parse_args()
    with TemporaryDirectory(dir=options.folder) as folder:
        corpus = write(Path(folder) / "corpus.jsonl", options.records)
        print(f"{options.records:,} records, {corpus.stat().st_size / 1e9:.2f} GB", flush=True)
        started = time.perf_counter()
        with Peak() as peak:
            convert(corpus, Path(folder) / "shards", encoder_folder(), num_workers=options.workers)
        seconds = time.perf_counter() - started
    found = {
        "records": options.records,
        "seconds": round(seconds, 1),
        "records_per_s": round(options.records / seconds),
    }
    print(json.dumps(found | {"peak_pss_mib": peak.pss >> 20, "peak_rss_mib": peak.rss >> 20}))


def write(path: Path, records: int) -> Path:
    """Write the corpus; the same number, the same bytes."""
    drawn = Random(0)  # noqa: S311  # a corpus, not a secret
    tokens = Tokenizer.from_file(str(encoder_folder() / "tokenizer.json")).get_vocab()
    words = sorted(token for token in tokens if token.isalpha())
    with path.open("w", encoding="utf-8") as file:
        for number in range(records):
            labels = {f"label {int(drawn.paretovariate(0.6)) % LABELS}" for _ in range(drawn.randint(1, 7))}
            text = " ".join(drawn.choices(words, k=WORDS))
            file.write(json.dumps({"id": str(number), "text": text, "labels": sorted(labels)}) + "\n")
    return path


if __name__ == "__main__":
    main()
