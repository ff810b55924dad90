"""Downloads from a real server when the way to it, or the process, does not hold."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from sharding import CorruptShardError, DataError, UnreachableError
from sharding.remote import Cache, Store
from tests.programs import ROOT, environment
from tests.sharding.remote.conftest import Shard
from tests.sharding.remote.faulty_proxy import Fault, Proxy, cut, flipped, short, trickling, unavailable, whole

Upload = Callable[..., Shard]


@pytest.fixture
def cache(faulty_store: Store, tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", None, faulty_store)


def leftovers(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "cache").glob("*.partial"))


@pytest.mark.parametrize(
    ("faults", "retries"), [((unavailable,) * 7, 7), ((cut, cut), 2), ((short,), 1), ((trickling,), 1)]
)
def test_what_passes_is_waited_for(
    store: Store, upload: Upload, cache: Cache, proxy: Proxy, faults: Sequence[Fault], retries: int
) -> None:
    shard = upload(store)
    proxy.faults.extend(faults)
    assert cache.fetch(*shard.facts).read_bytes() == shard.content
    assert cache.store.counts.now.retries == retries
    assert cache.store.counts.now.checksum_failures == 0


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (unavailable, "503 Service Unavailable"),
        (cut, "request or response body error"),
        (short, "the answer has 500 bytes: 1000 were asked for"),
    ],
)
def test_what_does_not_pass_ends_in_an_error_that_says_where_and_what(
    store: Store, upload: Upload, cache: Cache, proxy: Proxy, fault: Fault, reason: str
) -> None:
    shard = upload(store, size=1000)
    proxy.faults.extend([fault] * 8)
    with pytest.raises(
        UnreachableError, match=rf"{store.url}/{shard.name}: failed 8 times in \d+ s, at last: .*{reason}"
    ):
        cache.fetch(*shard.facts)
    assert proxy.gets == 8
    assert cache.fetch(*shard.facts).read_bytes() == shard.content


def test_bytes_that_flip_on_the_way_are_fetched_again(store: Store, upload: Upload, cache: Cache, proxy: Proxy) -> None:
    shard = upload(store)
    proxy.faults.extend([flipped, flipped])
    assert cache.fetch(*shard.facts).read_bytes() == shard.content
    assert cache.store.counts.now.checksum_failures == 2
    assert cache.store.counts.now.bytes == 3 * len(shard.content)


def test_bytes_that_always_flip_end_in_an_error_that_names_both_checksums(
    store: Store, upload: Upload, cache: Cache, proxy: Proxy, tmp_path: Path
) -> None:
    shard = upload(store)
    name, size, checksum = shard.facts
    proxy.faults.extend([flipped] * 3)
    expected = rf"{store.url}/{name}: its manifest says {size} bytes with xxh3_128 {checksum}, found {size} bytes with"
    with pytest.raises(CorruptShardError, match=expected):
        cache.fetch(name, size, checksum)
    assert proxy.gets == 3
    assert leftovers(tmp_path) == []


def test_a_missing_object_is_not_asked_for_again(cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"s3://shards/.*/train/9\.arrow: no such object, or no bucket shards"):
        cache.fetch("train/9.arrow", 1, "0" * 32)
    assert cache.store.counts.now.retries == 0
    assert leftovers(tmp_path) == []


@contextmanager
def another_process(cache_folder: Path, store: Store, shards: Sequence[Shard]) -> Iterator[subprocess.Popen[str]]:
    """Start a process that fetches into the same cache, and keeps what it fetched pinned."""
    facts = json.dumps([shard.facts for shard in shards])
    command = [
        sys.executable,
        "-m",
        "tests.sharding.remote.fetching",
        str(cache_folder),
        "1000000000",
        store.url,
        facts,
    ]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment({}), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def counts_of(process: subprocess.Popen[str]) -> dict[str, float]:
    assert process.stdout
    return json.loads(process.stdout.readline())


@pytest.mark.usefixtures("faulty_store")
def test_two_processes_download_each_file_once(store: Store, upload: Upload, proxy: Proxy, tmp_path: Path) -> None:
    shards = [upload(store, number) for number in range(20)]
    folder = tmp_path / "cache"
    with another_process(folder, store, shards) as one, another_process(folder, store, shards) as other:
        counts = counts_of(one), counts_of(other)
    assert sum(count["fetches"] for count in counts) == proxy.gets == 20
    assert sum(count["hits"] for count in counts) == 20


@pytest.mark.usefixtures("faulty_store")
def test_a_pin_of_another_process_holds_until_that_process_is_dead(
    store: Store, upload: Upload, tmp_path: Path
) -> None:
    first, second = upload(store, 1), upload(store, 2)
    cache = Cache(tmp_path / "cache", len(first.content), store)
    with another_process(tmp_path / "cache", store, [first]) as process:
        counts_of(process)
        with pytest.raises(DataError, match="must be at least 200000 bytes"):
            cache.fetch(*second.facts)
    cache.fetch(*second.facts)
    assert len(list((tmp_path / "cache").glob("*.shard"))) == 1


def test_a_process_that_is_killed_in_a_download_leaves_nothing_that_counts(
    store: Store, upload: Upload, cache: Cache, proxy: Proxy, tmp_path: Path
) -> None:
    large, small = upload(store, 1, (8 << 20) + 10_000), upload(store, 2)
    proxy.faults.extend([whole, trickling])
    with another_process(tmp_path / "cache", store, [large]) as process:
        while proxy.gets < 2:
            time.sleep(0.01)
        cache.fetch(*small.facts)
        assert len(leftovers(tmp_path)) == 1  # somebody is at work on it
        process.kill()
    assert len(leftovers(tmp_path)) == 1
    assert cache.fetch(*large.facts).read_bytes() == large.content
    assert leftovers(tmp_path) == []
    assert cache.store.counts.now.hits == 0
