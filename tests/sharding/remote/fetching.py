"""A process that fetches files and keeps them pinned until its standard input ends: FOLDER LIMIT URL SHARDS (JSON)."""

import json
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from sharding.remote import Cache, open_store


def main(folder: str, limit: str, url: str, shards: str) -> None:
    store = open_store(url)
    cache = Cache(Path(folder), int(limit), store)
    with ExitStack() as pins:
        for facts in json.loads(shards):
            pins.enter_context(cache.pinned(*facts))
        print(json.dumps(asdict(store.counts.now)), flush=True)  # noqa: T201 - that is how it is heard
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
