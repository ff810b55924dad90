"""Checks of what a configuration names, on this machine: encoder, data set, folders, ports."""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .finding import Finding
from .machine import check_ports

if TYPE_CHECKING:
    from trainer.config import Config, DataSection, ModelSection
import shutil
import time
from tempfile import TemporaryFile


def check_configuration(path: Path, overrides: Sequence[str]) -> Iterator[Finding]:
    """Read it and try all that it names; the encoder is loaded as training loads it, of a bucket no shard is read."""
    try:
        config = _read(path, overrides)
    except Exception as error:  # noqa: BLE001  # a broken package is a finding too
        yield _failed("configuration", error)
        return
    yield Finding("configuration", "ok", str(path))
    yield _tried("model.encoder", partial(_encoder, config.model))
    yield from _data(config.data)
    yield from check_folder("run.folder", config.run.folder)
    if config.checkpoint.store:
        yield _tried("checkpoint.store", partial(_published, config.checkpoint.store))
    if config.labels.text_cache:
        yield from check_folder("labels.text_cache", config.labels.text_cache)
    if config.telemetry.port:
        yield _ports(config.telemetry.port)


def _data(settings: "DataSection") -> Iterator[Finding]:
    if "://" not in settings.dataset:
        yield _tried("data.dataset", partial(_open, settings))
        return
    yield _tried("data.dataset", partial(_reach, settings.dataset))
    if settings.cache is None:
        yield Finding("data.cache", "wrong", "unset", "name a folder on a local disk for the shards")
    else:
        needed = 1.0 if settings.cache_gib is None else settings.cache_gib - _held(settings.cache)
        yield from check_folder("data.cache", settings.cache, needed)


def _tried(check: str, look: Callable[[], str]) -> Finding:
    """Say what was seen, or what went wrong on the way, whatever it was."""
    try:
        return Finding(check, "ok", look())
    except Exception as error:  # noqa: BLE001  # a broken package is a finding too
        return _failed(check, error)


def _failed(check: str, error: Exception) -> Finding:
    return Finding(check, "wrong", f"{type(error).__name__}: {error}", "correct it, or override it with --set")


def _read(path: Path, overrides: Sequence[str]) -> "Config":
    from trainer.config import load_config  # noqa: PLC0415  # only a check may fail where a package is broken

    return load_config(path, overrides)


def _encoder(settings: "ModelSection") -> str:
    from ..cluster import choose_accelerator  # noqa: PLC0415

    choose_accelerator(os.environ)
    from trainer.model import load_encoder  # noqa: PLC0415

    encoder = load_encoder(settings)
    return f"{settings.encoder}: {encoder.width} wide, texts of up to {encoder.positions} tokens"


def _open(settings: "DataSection") -> str:
    from sharding import TRAIN  # noqa: PLC0415
    from trainer.data import open_dataset  # noqa: PLC0415

    dataset = open_dataset(settings)
    train, dev = (dataset.split(name).num_records for name in (TRAIN, settings.dev_split))
    return (
        f"{settings.dataset}: {train:,} records to learn from, {dev:,} to look at, {len(dataset.vocabulary):,} labels"
    )


def _reach(address: str) -> str:
    from sharding.layout.manifest import MANIFEST_FILE  # noqa: PLC0415
    from sharding.remote import RetryPolicy, open_store  # noqa: PLC0415

    store = open_store(address, patience=RetryPolicy(tries=2, deadline=15, request=10))
    return f"{store.url}/{MANIFEST_FILE}: {store.size(MANIFEST_FILE):,} bytes"


def _published(address: str) -> str:
    from sharding.remote import RetryPolicy, open_bucket  # noqa: PLC0415
    from trainer.run.latest import LatestIndex  # noqa: PLC0415

    bucket = open_bucket(address, patience=RetryPolicy(tries=2, deadline=15, request=10))
    return f"{address}: can be read, and has {len(LatestIndex.read(bucket).checkpoints)} checkpoints"


def _ports(first: int) -> Finding:
    try:
        from ..cluster import ranks_here  # noqa: PLC0415  # only a check may fail where a package is broken

        ranks = ranks_here(os.environ)
    except Exception as error:  # noqa: BLE001  # a broken package is a finding too
        return _failed("telemetry.port", error)
    return check_ports(first, ranks, "telemetry.port")


def _held(cache: Path) -> float:
    """Add up the GiB of shards that are there already and count towards the limit."""
    return sum(shard.stat().st_size for shard in (cache / "shards").glob("*.shard")) / 2**30


_GIB = 2**30
_SECONDS_APART = 5.0


def check_folder(what: str, folder: Path, needed: float = 1.0) -> Iterator[Finding]:
    """Try the folder, or where it would be made.

    Args:
        what: Name of the check, as the configuration calls the folder.
        folder: Need not be there yet.
        needed: GiB that should be free.
    """
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    try:
        with TemporaryFile(dir=there) as file:
            file.write(b"lmmtc")
            file.flush()
            os.fsync(file.fileno())  # over a network, only then has the server seen it
            written, now = os.fstat(file.fileno()).st_mtime, time.time()
        free = shutil.disk_usage(there).free / _GIB
    except OSError as error:
        advice = "choose another folder, or make this one writable"
        yield Finding(what, "wrong", f"{folder}: cannot be written: {error.strerror}", advice)
        return
    if free < needed:
        advice = f"make room: {needed:.1f} GiB are wanted"
        yield Finding(what, "warning", f"{folder}: {free:.1f} GiB free", advice)
    else:
        yield Finding(what, "ok", f"{folder}: {free:.1f} GiB free")
    yield check_clocks(what, written, now)


def check_clocks(what: str, written: float, now: float) -> Finding:
    """Compare the time that a file system gave a new file with the machine's, both in seconds since 1970."""
    found = f"the file system's and the machine's are {abs(written - now):.1f} s apart"
    if abs(written - now) > _SECONDS_APART:
        return Finding(f"{what}, clock", "warning", found, "let both be set by NTP: the age of files is judged by them")
    return Finding(f"{what}, clock", "ok", found)
