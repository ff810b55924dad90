"""Prefetching of remote files: downloads in background threads, in the order in which files were asked for."""

from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter
from types import TracebackType
from typing import Self

from ..errors import DataError
from .cache import Cache
from .pins import Pin


class Prefetcher:
    """Downloads files in threads, and keeps each pinned until it is taken and its pin is released.

    What is asked for ahead must fit into the cache beside what is in use. For one reader.

    Args:
        cache: Where the files go.
        threads: Downloads at once.
    """

    def __init__(self, cache: Cache, threads: int = 4) -> None:
        self._cache = cache
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="prefetch")
        self._asked: dict[str, Future[Pin]] = {}
        self._closed = False

    def ask(self, name: str, size: int, xxh3_128: str) -> None:
        """Queue the download of a file behind all earlier ones; further calls for it have no effect."""
        if xxh3_128 not in self._asked and not self._closed:
            self._asked[xxh3_128] = self._threads.submit(self._cache.pinned, name, size, xxh3_128)

    def take(self, name: str, size: int, xxh3_128: str) -> Pin:
        """Wait for a file, asked for or not; a download that has failed ahead is tried again.

        Raises:
            DataError: The prefetcher was closed before.
            CancelledError: Another thread closes the prefetcher meanwhile.
            LmmtcError: As `Cache.pinned` raises it.
        """
        if self._closed:
            raise DataError(f"{self._cache.store.url}: was closed: open the data set again")
        asked = self._asked.pop(xxh3_128, None)
        start = perf_counter()
        try:
            # What failed when it was fetched ahead, perhaps long ago, gets another chance.
            return asked.result() if asked and not asked.exception() else self._cache.pinned(name, size, xxh3_128)
        finally:
            self._cache.store.counts.add(wait_seconds=perf_counter() - start)

    def close(self) -> None:
        """Begin no further download, wait for those under way, and release what was not taken.

        Further calls have no effect. Unless it is closed, a process at its end downloads everything that was asked for:
        Python waits for threads.
        """
        self._closed = True
        self._threads.shutdown(cancel_futures=True)
        for checksum in list(self._asked):
            future = self._asked.pop(checksum, None)  # unless its taker, in another thread, was faster
            if future and not future.cancelled() and not future.exception():
                future.result().release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
