"""Checkpoint storage in an S3 bucket: uploaded under a name of its own, published by a conditional write.

PREFIX/step-00000200-1a2b3c4d/   meta.json (state and checksums), dense.safetensors, rows-*, random-*
PREFIX/latest                    see published.py: what it does not name is not read, and goes with the next save
"""

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from weakref import finalize

import xxhash

from sharding import CorruptShardError, DataError, inside
from sharding.remote import Bucket, download

from ..distributed import Ranks
from ..errors import CheckpointError
from ..labels import RowRange
from ..run.folder import step_name
from ..run.latest import LatestIndex, Published, taken
from .contents import needed
from .meta import META, CheckpointMeta, parsed, wrong
from .pieces import Content, Sums
from .storage import Files, Keeps, Saved

_OURS = re.compile(r"step-\d{8}-[0-9a-f]{8}")
_SUMS = re.compile(r"sums-\d{5}\.json")
_PIECE = 8 << 20


class CheckpointBucket:
    """The checkpoints below a prefix of a bucket, as a `CheckpointStorage`: all that ranks need to share.

    What is fetched lies in a folder in TMPDIR until `release`, or until the process ends by itself.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._seen: LatestIndex | None = None
        self._fetched: finalize[..., Any] | None = None

    def __str__(self) -> str:
        """Give the address."""
        return self._bucket.url

    def steps(self) -> list[int]:
        """List what was published, as `CheckpointStorage` says."""
        self._seen = LatestIndex.read(self._bucket)
        return [each.step for each in self._seen.checkpoints]

    def prepare(self) -> None:
        """Find out before anything is uploaded whether another run has published here."""
        now = LatestIndex.read(self._bucket)
        if self._seen and self._seen.version != now.version:
            raise taken(self._bucket)
        self._seen = now

    def write(self, step: int, number: int, rank: int, files: Files) -> None:
        """Upload from memory, sums last."""
        folder, sums = _folder(step, number), {}
        for name, tensors in files.items():
            content = Content(tensors)
            self._bucket.stream(f"{folder}/{name}", content)
            sums[name] = content.sums
        self._put(f"{folder}/{_sums_name(rank)}", json.dumps(sums).encode())

    def publish(self, meta: CheckpointMeta, number: int, keeps: Keeps) -> None:
        """Describe the files of all ranks, name them in `latest`, and remove what it does not name any more."""
        assert self._seen is not None
        folder = _folder(meta.step, number)
        description = meta.described(dict(self._gathered(folder, meta.world_size))).encode()
        self._put(f"{folder}/{META}", description)
        new = Published(meta.step, folder, xxhash.xxh3_128_hexdigest(description), datetime.now(UTC).isoformat())
        all_of_them = {each.step: each for each in (*self._seen.checkpoints, new)}
        kept = keeps(sorted(all_of_them))
        self._seen = self._seen.replaced(self._bucket, [all_of_them[step] for step in sorted(kept)])
        self._sweep({each.folder for each in self._seen.checkpoints})

    def fetch(self, step: int, ranks: Ranks, rows: RowRange | None) -> Path:
        """Download what this rank needs; CheckpointError if the description or one of these files is damaged."""
        entry, tree = self._described(step)
        self.release()
        scratch = Path(mkdtemp(prefix="lmmtc-checkpoint-"))
        self._fetched = finalize(self, shutil.rmtree, scratch, ignore_errors=True)
        folder = scratch / step_name(step)
        folder.mkdir()
        (folder / META).write_text(json.dumps(tree), encoding="utf-8")
        for name, sums in tree["files"].items():
            if rows is None or needed(name, ranks.rank, rows):
                self._download(f"{entry.folder}/{name}", inside(folder, name), sums)
        return folder

    def release(self) -> None:
        """Remove what was fetched."""
        if self._fetched is not None:
            self._fetched()

    def damage(self, step: int) -> str | None:
        """Read all files through, as `CheckpointStorage` says; nothing is kept of them."""
        try:
            entry, tree = self._described(step)
        except CheckpointError as error:
            return str(error)
        spoilt = (name for name, sums in tree["files"].items() if self._sums(f"{entry.folder}/{name}", sums) != sums)
        name = next(spoilt, None)
        return name and wrong(name)

    def describe(self, step: int) -> Saved:
        """Read the description, and the sizes from it."""
        entry, tree = self._described(step)
        size = sum(sums["bytes"] for sums in tree["files"].values())
        return Saved(CheckpointMeta.of(tree), datetime.fromisoformat(entry.at), size)

    def _described(self, step: int) -> tuple[Published, dict[str, Any]]:
        """Read the description of a checkpoint; CheckpointError if it is damaged, or a file is not there in full."""
        self._seen = LatestIndex.read(self._bucket)
        entry = self._seen.at(step)
        if entry is None:
            raise CheckpointError(f"{self}: the checkpoint is gone")
        found = self._bucket.get(f"{entry.folder}/{META}")
        if found is None or xxhash.xxh3_128_hexdigest(found[0]) != entry.meta_xxh3_128:
            raise CheckpointError(wrong(META))
        tree = parsed(found[0], f"{self}/{entry.folder}/{META}")
        sizes = self._bucket.sizes(entry.folder)
        for name, sums in tree["files"].items():
            if sizes.get(f"{entry.folder}/{name}") != sums["bytes"]:
                raise CheckpointError(wrong(name))
        return entry, tree

    def _download(self, name: str, path: Path, sums: dict[str, Any]) -> None:
        try:
            with path.open("wb") as file:
                download(self._bucket, name, sums["bytes"], sums["xxh3_128"], file.fileno())
        except CorruptShardError:
            raise CheckpointError(wrong(path.name)) from None
        except OSError as error:
            raise DataError(
                f"{path}: cannot take {sums['bytes']:,} bytes of {self}/{name}: {error.strerror}: let TMPDIR name a "
                "folder on a disk with more room"
            ) from None

    def _sums(self, name: str, expected: dict[str, Any]) -> dict[str, Any]:
        digest, size = xxhash.xxh3_128(), expected["bytes"]
        for start in range(0, size, _PIECE):
            digest.update(self._bucket.read(name, start, min(start + _PIECE, size)))
        return {"bytes": size, "xxh3_128": digest.hexdigest()}

    def _gathered(self, folder: str, world_size: int) -> Iterator[tuple[str, Sums]]:
        """Yield what all ranks say of their files."""
        for rank in range(world_size):
            found = self._bucket.get(f"{folder}/{_sums_name(rank)}")
            if found is None:  # removed by the run that was faster
                raise taken(self._bucket)
            yield from json.loads(found[0]).items()

    def _put(self, name: str, content: bytes) -> None:
        if self._bucket.swap(name, content, None) is None:
            raise CheckpointError(f"{self}/{name}: is there already, with another content")

    def _sweep(self, kept: set[str]) -> None:
        """Remove what interrupted saves and old checkpoints have left, and nothing that is not a checkpoint's."""
        names = [name.partition("/") for name in self._bucket.sizes()]
        self._bucket.remove(
            [
                f"{folder}/{file}"
                for folder, _, file in names
                if _OURS.fullmatch(folder) and (folder not in kept or _SUMS.fullmatch(file))
            ]
        )


def _folder(step: int, number: int) -> str:
    return f"{step_name(step)}-{number:08x}"


def _sums_name(rank: int) -> str:
    return f"sums-{rank:05d}.json"
