"""What the cache does with files that arrive as they should, in one process."""

import errno
import os
import re
import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from sharding import CorruptShardError, DataError
from sharding.remote import Cache, Store, open_store
from tests.sharding.remote.conftest import Shard

KIB = 1024


@pytest.fixture
def folder_store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "data set"))


@pytest.fixture
def shards(folder_store: Store, upload: Callable[..., Shard]) -> list[Shard]:
    """Three files of 100 KiB."""
    return [upload(folder_store, number, 100 * KIB) for number in range(3)]


def cache_of(store: Store, tmp_path: Path, limit: int | None = None) -> Cache:
    return Cache(tmp_path / "cache", limit, store)


def cached(tmp_path: Path) -> set[str]:
    """Name what is in the cache: checksums of whole files, full names of partial ones."""
    names = {path.name for path in (tmp_path / "cache").iterdir()}
    return {name.removesuffix(".shard") for name in names if name.endswith((".shard", ".partial"))}


def test_a_file_is_downloaded_once_and_then_found(folder_store: Store, shards: list[Shard], tmp_path: Path) -> None:
    cache = cache_of(folder_store, tmp_path)
    for _ in range(3):
        assert cache.fetch(*shards[0].facts).read_bytes() == shards[0].content
    # Another process later, and another name of the same content.
    _, size, checksum = shards[0].facts
    assert cache_of(folder_store, tmp_path).fetch("other", size, checksum).read_bytes() == shards[0].content
    now = folder_store.counts.now
    assert (now.fetches, now.hits, now.bytes) == (1, 3, 100 * KIB)


def test_an_empty_file_and_one_of_several_pieces_arrive_whole(
    folder_store: Store, upload: Callable[..., Shard], tmp_path: Path
) -> None:
    cache = cache_of(folder_store, tmp_path)
    for number, size in enumerate((0, (16 << 20) + 1)):
        shard = upload(folder_store, number, size)
        assert cache.fetch(*shard.facts).read_bytes() == shard.content


def test_threads_that_want_the_same_file_share_one_download(
    folder_store: Store, shards: list[Shard], tmp_path: Path
) -> None:
    cache = cache_of(folder_store, tmp_path)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: cache.fetch(*shards[0].facts), range(16)))
    assert len(set(found)) == 1
    assert folder_store.counts.now.fetches == 1


def test_the_file_used_longest_ago_makes_room(folder_store: Store, shards: list[Shard], tmp_path: Path) -> None:
    cache = cache_of(folder_store, tmp_path, 250 * KIB)
    first, second, third = (shard.facts for shard in shards)
    os.utime(cache.fetch(*first), (1, 1))
    os.utime(cache.fetch(*second), (2, 2))
    cache.fetch(*first)
    cache.fetch(*third)
    assert cached(tmp_path) == {first[2], third[2]}


def test_what_is_pinned_stays_until_it_is_released(folder_store: Store, shards: list[Shard], tmp_path: Path) -> None:
    cache = cache_of(folder_store, tmp_path, 250 * KIB)
    first, second, third = (shard.facts for shard in shards)
    kept = cache.pinned(*first)
    with cache.pinned(*second), pytest.raises(DataError, match=too_small(200 * KIB, 250 * KIB, 300 * KIB)):
        cache.fetch(*third)
    cache.fetch(*third)
    assert cached(tmp_path) == {first[2], third[2]}
    kept.release()
    kept.release()
    cache.fetch(*second)
    assert cached(tmp_path) == {second[2], third[2]}


def too_small(in_use: int, limit: int, enough: int) -> str:
    return f"cache .*: {in_use} of {limit} bytes are in use and .*: the limit must be at least {enough} bytes"


def test_two_pins_of_one_file_both_have_to_be_released(
    folder_store: Store, shards: list[Shard], tmp_path: Path
) -> None:
    cache = cache_of(folder_store, tmp_path, 100 * KIB)
    one, other = cache.pinned(*shards[0].facts), cache.pinned(*shards[0].facts)
    one.release()
    with pytest.raises(DataError, match="must be at least"):
        cache.fetch(*shards[1].facts)
    other.release()
    cache.fetch(*shards[1].facts)


def test_a_file_that_is_mapped_keeps_its_content_when_it_is_evicted(
    folder_store: Store, shards: list[Shard], tmp_path: Path
) -> None:
    cache = cache_of(folder_store, tmp_path, 100 * KIB)
    mapped = pa.memory_map(str(cache.fetch(*shards[0].facts)))
    cache.fetch(*shards[1].facts)
    assert cached(tmp_path) == {shards[1].facts[2]}
    assert mapped.read() == shards[0].content


def test_what_the_cache_did_not_download_is_neither_removed_nor_counted(
    folder_store: Store, shards: list[Shard], tmp_path: Path
) -> None:
    cache = cache_of(folder_store, tmp_path, 100 * KIB)
    strangers = [tmp_path / "cache" / name for name in ("00000-0123456789abcdef.arrow", "notes.shard", "x.partial")]
    for stranger in strangers:
        stranger.write_bytes(bytes(200 * KIB))
    for shard in shards:
        cache.fetch(*shard.facts)
    assert all(stranger.is_file() for stranger in strangers)
    assert len(folder_store.list()) == 3


@pytest.mark.parametrize("inhabitant", ["manifest.json", "train/00000.arrow"])
def test_a_folder_with_data_cannot_become_a_cache(folder_store: Store, tmp_path: Path, inhabitant: str) -> None:
    (tmp_path / "cache" / inhabitant).parent.mkdir(parents=True)
    (tmp_path / "cache" / inhabitant).touch()
    expected = f"holds {Path(inhabitant).parts[0]} and no cache: name a folder that is new, or empty"
    with pytest.raises(DataError, match=re.escape(expected)):
        cache_of(folder_store, tmp_path)


def test_the_cache_of_another_program_is_left_alone(folder_store: Store, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n# of a compiler\n")
    with pytest.raises(DataError, match="is the cache of another program"):
        cache_of(folder_store, tmp_path)


@pytest.mark.parametrize("checksum", ["../../../../etc/passwd", "0123", "G" * 32, ""])
def test_a_checksum_that_is_none_never_becomes_a_path(folder_store: Store, tmp_path: Path, checksum: str) -> None:
    with pytest.raises(DataError, match=r"train/0\.arrow: xxh3_128 = '.*': must be 32 hex digits"):
        cache_of(folder_store, tmp_path).fetch("train/0.arrow", 1, checksum)


@pytest.mark.parametrize("change", ["truncated", "longer", "changed"])
def test_a_file_that_is_not_what_its_manifest_says_is_named_with_both(
    folder_store: Store, shards: list[Shard], tmp_path: Path, change: str
) -> None:
    name, size, checksum = shards[0].facts
    content = shards[0].content
    there = {"truncated": content[:-1], "longer": content + b"1", "changed": bytes(size)}[change]
    (tmp_path / "data set" / name).write_bytes(there)
    found = f"{len(there)} bytes" if len(there) != size else f"{size} bytes with xxh3_128 (?!{checksum})"
    expected = rf"data%20set/{name}: its manifest says {size} bytes with xxh3_128 {checksum}, found {found}.*3 times"
    with pytest.raises(CorruptShardError, match=expected):
        cache_of(folder_store, tmp_path).fetch(name, size, checksum)
    assert cached(tmp_path) == set()
    assert folder_store.counts.now.checksum_failures == 3


@contextmanager
def quota(size: int) -> Iterator[None]:
    """Forbid this process larger files: the kernel refuses, as it does when a disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def disk_is_full(name: str, size: int) -> str:
    return rf"cache .*cache: the disk is full: {name} needs {size} bytes: free some, or give the cache a limit"


def test_a_disk_without_room_is_an_error_before_the_download(
    folder_store: Store, shards: list[Shard], tmp_path: Path
) -> None:
    cache = cache_of(folder_store, tmp_path)
    name, size, checksum = shards[0].facts
    with quota(50 * KIB), pytest.raises(DataError, match=disk_is_full(name, size)):
        cache.fetch(name, size, checksum)
    assert cached(tmp_path) == set()
    assert folder_store.counts.now.bytes == 0


def test_a_disk_that_promised_too_much_leaves_nothing_torn(
    folder_store: Store, shards: list[Shard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    cache = cache_of(folder_store, tmp_path)
    name, size, checksum = shards[0].facts
    with monkeypatch.context() as patch:
        # File systems that copy on write do so; none of them is at hand in a test.
        patch.setattr(os, "pwrite", refuse)
        with pytest.raises(DataError, match=disk_is_full(name, size)):
            cache.fetch(name, size, checksum)
    assert cached(tmp_path) == set()
    assert cache.fetch(name, size, checksum).read_bytes() == shards[0].content
