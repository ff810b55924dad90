"""Open a remote data set: mirror its small files at once, and its shards when they are read.

CACHE/datasets/<dataset_id>/   manifest, labels, tokenizer
CACHE/shards/                  see cache.py
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import CorruptShardError, ManifestError
from ..layout.backends import CacheSettings
from ..layout.manifest import MANIFEST_FILE, TOKENIZER_FOLDER, FileInfo, Manifest
from ..storage import inside, publish, sha256
from ..tokenizing import SETTINGS_FILES, TOKENIZER_FILE
from .cache import Cache
from .counts import FetchCounts
from .pins import Pin
from .prefetch import Prefetcher
from .store import Store, open_store

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
