"""Open a remote data set: mirror its small files at once; fetch its shards when they are read, or just before.

CACHE/datasets/<dataset_id>/   manifest, labels, tokenizer
CACHE/shards/                  see cache.py
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from types import TracebackType
from typing import Self

from ..errors import CorruptShardError, DataError, ManifestError
from ..layout.backends import CacheSettings
from ..layout.manifest import MANIFEST_FILE, TOKENIZER_FOLDER, FileInfo, Manifest
from ..storage import inside, publish, sha256
from ..tokenizing import SETTINGS_FILES, TOKENIZER_FILE
from .cache import Cache
from .counts import FetchCounts
from .pins import Pin
from .store import Store, open_store


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


_AT_ONCE = 4 << 20


@dataclass(frozen=True)
class RemoteBackend:
    """Shards in a store, which are downloaded into a cache when they are read."""

    prefetcher: Prefetcher
    url: str
    counts: FetchCounts
    fetches: bool = True

    def hold(self, info: FileInfo) -> Pin:
        """Wait for the download of a file, and pin it in the cache."""
        return self.prefetcher.take(info.path, info.bytes, info.xxh3_128)

    def expect(self, info: FileInfo) -> None:
        """Begin to download a file."""
        self.prefetcher.ask(info.path, info.bytes, info.xxh3_128)

    def name(self, info: FileInfo) -> str:
        """Return its address."""
        return f"{self.url}/{info.path}"

    def close(self) -> None:
        """Cancel all downloads that have not begun."""
        self.prefetcher.close()


def mirrored(url: str, settings: CacheSettings) -> tuple[Path, RemoteBackend]:
    """Fetch what a data set needs beside its shards; returns the folder it is in, and the place of the shards.

    CorruptShardError when labels or tokenizer are not what the manifest says.
    """
    counts = FetchCounts()
    store = open_store(url, counts=counts)
    shards = RemoteBackend(
        Prefetcher(Cache(settings.folder / "shards", settings.limit_bytes, store)), store.url, counts
    )
    datasets = settings.folder / "datasets"
    manifest = _fetch_manifest(store, datasets)
    folder = datasets / manifest.dataset_id.removeprefix("sha256:")[:32]
    if not (folder / MANIFEST_FILE).is_file():
        _fetch_parts(store, manifest, folder)
        manifest.save(folder)
    return folder, shards


def _fetch_manifest(store: Store, datasets: Path) -> Manifest:
    datasets.mkdir(parents=True, exist_ok=True)
    # A folder of its own: others may be opening other data sets at this moment.
    with TemporaryDirectory(prefix=".", dir=datasets) as incoming:
        _fetch(store, MANIFEST_FILE, Path(incoming) / MANIFEST_FILE)
        try:
            return Manifest.load(Path(incoming))
        except ManifestError as error:
            raise ManifestError(f"{store.url}: {error}") from None


def _fetch_parts(store: Store, manifest: Manifest, folder: Path) -> None:
    checksums = {
        manifest.labels.path: manifest.labels.sha256,
        f"{TOKENIZER_FOLDER}/{TOKENIZER_FILE}": manifest.tokenizer.sha256,
    }
    if manifest.label_filter:
        checksums[manifest.label_filter.path] = manifest.label_filter.sha256
    settings = {f"{TOKENIZER_FOLDER}/{name}" for name in SETTINGS_FILES} & set(store.list(TOKENIZER_FOLDER))
    for name in (*checksums, *sorted(settings)):
        _fetch(store, name, inside(folder, name), checksums.get(name))


def _fetch(store: Store, name: str, path: Path, checksum: str | None = None) -> None:
    size = store.size(name)
    with publish(path) as temporary:
        with temporary.open("wb") as file:
            for start in range(0, size, _AT_ONCE):
                file.write(store.read(name, start, min(start + _AT_ONCE, size)))
        if checksum and (found := sha256(temporary)) != checksum:
            raise CorruptShardError(
                f"{store.url}/{name}: sha256 = {found}: its manifest says {checksum}: upload it again"
            )
