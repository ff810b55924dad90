"""Decides what is counted of data that comes from afar; whoever exports metrics reads it here."""

from dataclasses import asdict, dataclass
from threading import Lock


@dataclass(frozen=True)
class FetchTotals:
    """What was fetched so far.

    bytes: that came from a store, failed checks included; fetches: files that were downloaded; hits: files that the
    cache had; retries: requests that were made again; checksum_failures: downloads that were not what the manifest
    says; wait_seconds: time in which somebody stood waiting for a file that was asked for ahead.
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
        """Add to fields of `Fetched`, by name; TypeError for another name."""
        with self._lock:
            old = asdict(self._now)
            self._now = FetchTotals(**(old | {name: old.get(name, 0) + amount for name, amount in amounts.items()}))

    @property
    def now(self) -> FetchTotals:
        """All fields of one moment."""
        return self._now
