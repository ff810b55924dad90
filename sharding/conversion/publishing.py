"""Publication of a finished data set: its files move into place first, the manifest last."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from ..errors import DataError
from ..layout.manifest import MANIFEST_FILE, TOKENIZER_FOLDER, Kind, Manifest
from ..storage import publish, sync
from ..tokenizing import SETTINGS_FILES, TOKENIZER_FILE, TokenizerSpec
from .job import Job


def check_free(out: Path, tokenizer: TokenizerSpec, max_tokens: int, kinds: Sequence[Kind]) -> None:
    """Raise a DataError when a data set is in `out` that this conversion cannot become, whatever its records are."""
    if not (out / MANIFEST_FILE).exists():
        return
    there = Manifest.load(out)
    if (there.tokenizer, there.max_tokens, set(there.kinds)) != (tokenizer, max_tokens, set(kinds)):
        raise DataError(f"{out}: holds another data set already, {there.dataset_id}: choose another folder")


def release(job: Job, out: Path, manifest: Manifest) -> Manifest:
    """Publish, unless another data set is there; returns the manifest that `out` then has.

    A kill in the middle leaves files that no manifest names, and the next try moves the others.
    """
    if (out / MANIFEST_FILE).exists():
        return Manifest.load(out)
    _copy_tokenizer(job.tokenizer_folder, job.shards / TOKENIZER_FOLDER)
    # Hidden is what a kill left half written.
    for file in sorted(path for path in job.shards.rglob("[!.]*") if path.is_file()):
        place = out / file.relative_to(job.shards)
        place.parent.mkdir(exist_ok=True)
        file.replace(place)
    for folder in (out, *(path for path in out.iterdir() if path.is_dir())):
        sync(folder)
    manifest.save(out)
    return manifest


def _copy_tokenizer(source: Path, target: Path) -> None:
    for name in (TOKENIZER_FILE, *SETTINGS_FILES):
        if (source / name).is_file():
            with publish(target / name) as temporary:
                shutil.copyfile(source / name, temporary)
