"""The manifest of a data set: one JSON file, written last, with the path, size and checksum of every other file."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from ..errors import ManifestError
from ..order.epoch import ORDER_VERSION
from ..storage import inside, publish
from ..tokenizing import TokenizerSpec

MANIFEST_FILE = "manifest.json"
LABELS_FILE = "labels.arrow"
FILTER_FILE = "label-filter.tsv.gz"
TOKENIZER_FOLDER = "tokenizer"

FORMAT_VERSION = 2

Kind = Literal["arrow", "webdataset"]
KINDS: tuple[Kind, ...] = get_args(Kind)  # what is read where there are both comes first


@dataclass(frozen=True)
class FileInfo:
    """A file of a data set.

    Attributes:
        path: Path relative to the data set.
        bytes: Size of the file.
        xxh3_128: Its checksum against accidents, 32 hex digits.
        sha256: Its checksum against forgery, 64 hex digits.
    """

    path: str
    bytes: int
    xxh3_128: str
    sha256: str


@dataclass(frozen=True)
class ShardInfo:
    """A shard.

    Attributes:
        rows: Its records.
        tokens: Tokens of all its records.
        files: Files by format, with the same rows in the same order in each.
        index: The sidecar, see `formats.ShardIndex`.
    """

    rows: int
    tokens: int
    files: Mapping[Kind, FileInfo]
    index: FileInfo

    def bytes_read(self, kind: Kind) -> int:
        """Count the bytes that reading one format takes, the sidecar's among them."""
        return self.files[kind].bytes + self.index.bytes

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "ShardInfo":
        """Read what `asdict` made of one."""
        files = {kind: FileInfo(**file) for kind, file in content["files"].items()}
        return cls(content["rows"], content["tokens"], files, FileInfo(**content["index"]))


@dataclass(frozen=True)
class LabelsInfo:
    """The label vocabulary's path in the data set, its number of labels, and its checksum in hex."""

    path: str
    count: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a data set holds.

    Attributes:
        splits: The shards of each split, in order.
        tokenizer: What is known of the tokenizer.
        labels: The vocabulary.
        max_tokens: Tokens stored of one text at most, special tokens not counted.
        skipped_records: Records of the source that could not be used.
        label_filter: Pairs of record and label that are excluded from ranking and evaluation, if the source named some.
        source: What was understood of the source, for people; no part of dataset_id. None in older data sets.
        format_version: Version of the file formats.
        order_version: Version of the epoch's order.
        dataset_id: A hash of everything else but `source`, see `identified`.
    """

    splits: dict[str, tuple[ShardInfo, ...]]
    tokenizer: TokenizerSpec
    labels: LabelsInfo
    max_tokens: int
    skipped_records: int
    label_filter: FileInfo | None = None
    source: dict[str, Any] | None = None
    format_version: int = FORMAT_VERSION
    order_version: int = ORDER_VERSION
    dataset_id: str = ""

    def identified(self) -> "Manifest":
        """Return the manifest with its dataset_id, which hashes everything else."""
        return replace(self, dataset_id=_dataset_id(asdict(self)))

    def save(self, folder: Path) -> None:
        """Publish the data set in `folder`, where all other files must be already."""
        with publish(folder / MANIFEST_FILE) as temporary:
            temporary.write_text(json.dumps(asdict(self), sort_keys=True, indent=1, ensure_ascii=False), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Manifest":
        """Read and check a manifest, not the files it names; ManifestError says what is wrong."""
        path = folder / MANIFEST_FILE
        content = _read(path)
        _check_version(path, "format_version", content, FORMAT_VERSION)
        _check_version(path, "order_version", content, ORDER_VERSION)
        if content.get("dataset_id") != _dataset_id(content):
            raise ManifestError(f"{path}: dataset_id does not match the content: the file was changed, convert again")
        try:
            manifest = _parse(path, content)
        except (AttributeError, KeyError, TypeError) as error:
            raise ManifestError(
                f"{path}: has other parts than a manifest of format_version {FORMAT_VERSION} ({error}): convert again"
            ) from error
        if not manifest.kinds:
            raise ManifestError(f"{path}: no format has all of its shards: convert again")
        return manifest

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The formats that all shards are there in."""
        shards = [shard for split in self.splits.values() for shard in split]
        return tuple(kind for kind in KINDS if all(kind in shard.files for shard in shards))

    def files(self, kind: Kind) -> Iterator[str]:
        """Name every file that reading one format needs, relative to the data set."""
        yield self.labels.path
        if self.label_filter:
            yield self.label_filter.path
        for shards in self.splits.values():
            for shard in shards:
                yield from (shard.files[kind].path, shard.index.path)

    def shard_files(self) -> Iterator[FileInfo]:
        """Name the files of all shards in all their formats: those whose names follow from their content."""
        for shards in self.splits.values():
            for shard in shards:
                yield from (*shard.files.values(), shard.index)

    def check_files(self, folder: Path, kind: Kind) -> None:
        """Raise a ManifestError that names the files of a format which are not there."""
        missing = [name for name in self.files(kind) if not inside(folder, name).is_file()]
        if missing:
            raise ManifestError(f"{folder / MANIFEST_FILE}: {len(missing)} of its files missing, first {missing[0]}")


def _dataset_id(content: dict[str, Any]) -> str:
    rest = {key: value for key, value in content.items() if key not in {"dataset_id", "source"}}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ManifestError(f"{path}: no such file: {path.parent} is not a converted data set, or only half of one")
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ManifestError(f"{path}: not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ManifestError(f"{path}: must be a JSON object")
    return content


def _check_version(path: Path, key: str, content: dict[str, Any], known: int) -> None:
    if content.get(key) != known:
        raise ManifestError(
            f"{path}: {key} = {content.get(key)!r}: this version of lmmtc reads {known}: "
            "convert again, or use the version that wrote it"
        )


def _parse(path: Path, content: dict[str, Any]) -> Manifest:
    tokenizer: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in content["tokenizer"].items()
    }
    splits = {name: tuple(_shard(path, shard) for shard in shards) for name, shards in content["splits"].items()}
    parts: dict[str, Any] = {
        "splits": splits,
        "tokenizer": TokenizerSpec(**tokenizer),
        "labels": LabelsInfo(**content["labels"]),
        "label_filter": content["label_filter"] and FileInfo(**content["label_filter"]),
    }
    return Manifest(**{**content, **parts})


def _shard(path: Path, content: dict[str, Any]) -> ShardInfo:
    if unknown := sorted(content["files"].keys() - set(KINDS)):
        raise ManifestError(f"{path}: shard format {unknown[0]!r}: this version of lmmtc reads {', '.join(KINDS)}")
    return ShardInfo.from_json(content)
