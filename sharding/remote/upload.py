"""Upload a data set to a store, its manifest last, so that readers see it whole or not at all."""

from collections.abc import Callable
from pathlib import Path

from ..layout.manifest import MANIFEST_FILE, TOKENIZER_FOLDER, Manifest
from ..storage import inside
from .store import open_store


def upload(folder: Path, url: str, progress: Callable[[int, int, str], None]) -> Manifest:
    """Copy a data set to an address, in all its formats; a repeated call skips the shards that are there.

    Args:
        folder: The data set.
        url: The address.
        progress: Called with (done, total, what is being done).

    Returns:
        The manifest.

    Raises:
        DataError: Another data set is there already.
        ManifestError: A file of this one is missing.
    """
    manifest, store = Manifest.load(folder), open_store(url)
    for kind in manifest.kinds:
        manifest.check_files(folder, kind)
    there = set(store.list())
    if MANIFEST_FILE in there:
        # Says what is wrong before labels of the same name are written over.
        store.write(MANIFEST_FILE, folder / MANIFEST_FILE, if_none_match=True)
    # Of other files, the same name and size are no proof: labels may differ in their counts alone.
    kept = there & {file.path for file in manifest.shard_files()}
    tokenizer = [f"{TOKENIZER_FOLDER}/{path.name}" for path in sorted((folder / TOKENIZER_FOLDER).iterdir())]
    names = [*tokenizer, *dict.fromkeys(name for kind in manifest.kinds for name in manifest.files(kind))]
    progress(0, len(names), "uploading files")
    for done, name in enumerate(names, start=1):
        path = inside(folder, name)
        if name not in kept or store.size(name) != path.stat().st_size:
            store.write(name, path)
        progress(done, len(names), "uploading files")
    store.write(MANIFEST_FILE, folder / MANIFEST_FILE, if_none_match=True)
    return manifest
