"""Counters of remote reads (bytes, downloads, cache hits, retries), read by the metrics exporter."""

from dataclasses import asdict, dataclass
from threading import Lock


@dataclass(frozen=True)
class FetchTotals:
    """What was fetched so far.

    Attributes:
        bytes: Read from a store, failed checks included.
        fetches: Files that were downloaded.
        hits: Files that the cache had.
        retries: Requests that were made again.
        checksum_failures: Downloads that were not what the manifest says.
        wait_seconds: Time spent waiting for files that were to be prefetched.
    """

    bytes: int = 0
    fetches: int = 0
    hits: int = 0
    retries: int = 0
    checksum_failures: int = 0
    wait_seconds: float = 0.0


class FetchCounts:
    """Adds up over the threads of one process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._now = FetchTotals()

    def add(self, **amounts: float) -> None:
        """Add to fields of `FetchTotals`, by name; TypeError for another name."""
        with self._lock:
            old = asdict(self._now)
            self._now = FetchTotals(**(old | {name: old.get(name, 0) + amount for name, amount in amounts.items()}))

    @property
    def now(self) -> FetchTotals:
        """All fields of one moment."""
        return self._now
