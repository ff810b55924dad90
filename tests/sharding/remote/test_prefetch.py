"""Files that are downloaded before they are needed."""

import time
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from sharding import DataError
from sharding.remote import Cache, Prefetcher, Store, open_store
from tests.sharding.remote.conftest import Shard


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "data set"))


@pytest.fixture
def shards(store: Store, upload: Callable[..., Shard]) -> list[Shard]:
    return [upload(store, number) for number in range(6)]


def whole_files(tmp_path: Path) -> set[str]:
    return {path.stem for path in (tmp_path / "cache").glob("*.shard")}


def test_files_arrive_in_the_order_in_which_they_were_asked_for(
    store: Store, shards: list[Shard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []
    read = store.read
    monkeypatch.setattr(store, "read", lambda name, *span: (order.append(name), read(name, *span))[1])
    with Prefetcher(Cache(tmp_path / "cache", None, store), threads=1) as prefetcher:
        for shard in [*reversed(shards), *shards]:
            prefetcher.ask(*shard.facts)
        for shard in shards:
            with prefetcher.take(*shard.facts) as path:
                assert path.read_bytes() == shard.content
    assert order == [shard.name for shard in reversed(shards)]


def test_what_was_fetched_ahead_is_pinned_until_its_taker_releases_it(
    store: Store, shards: list[Shard], tmp_path: Path
) -> None:
    cache = Cache(tmp_path / "cache", 300_000, store)
    with Prefetcher(cache) as prefetcher:
        for shard in shards[:3]:
            prefetcher.ask(*shard.facts)
        pins = [prefetcher.take(*shard.facts) for shard in shards[:3]]
        with pytest.raises(DataError, match="must be at least 400000 bytes"):
            prefetcher.take(*shards[3].facts)
        pins[0].release()
        pins[1].release()
        prefetcher.take(*shards[3].facts).release()
        pins[2].release()


def test_an_error_waits_for_its_taker_and_can_be_asked_about_again(
    store: Store, shards: list[Shard], tmp_path: Path
) -> None:
    name, size, checksum = shards[0].facts
    missing = tmp_path / "data set" / name
    missing.unlink()
    with Prefetcher(Cache(tmp_path / "cache", None, store)) as prefetcher:
        prefetcher.ask(name, size, checksum)
        prefetcher.ask(*shards[1].facts)
        prefetcher.take(*shards[1].facts).release()
        with pytest.raises(DataError, match="no such file"):
            prefetcher.take(name, size, checksum)
        missing.write_bytes(shards[0].content)
        prefetcher.take(name, size, checksum).release()


def test_what_could_not_be_fetched_ahead_is_fetched_when_it_is_taken(
    store: Store, shards: list[Shard], tmp_path: Path
) -> None:
    name, size, checksum = shards[0].facts
    missing = tmp_path / "data set" / name
    missing.unlink()
    with Prefetcher(Cache(tmp_path / "cache", None, store), threads=1) as prefetcher:
        prefetcher.ask(name, size, checksum)
        prefetcher.ask(*shards[1].facts)
        prefetcher.take(*shards[1].facts).release()  # after the other has failed
        missing.write_bytes(shards[0].content)
        with prefetcher.take(name, size, checksum) as path:
            assert path.read_bytes() == shards[0].content


def held_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> tuple[Event, Event]:
    """Let downloads begin, which the first event tells, and wait for the second one."""
    begun, may_end = Event(), Event()
    size = store.size
    monkeypatch.setattr(store, "size", lambda name: (begun.set(), may_end.wait(10), size(name))[2])
    return begun, may_end


def test_closing_begins_nothing_more_and_releases_what_nobody_took(
    store: Store, shards: list[Shard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = held_up(store, monkeypatch)
    prefetcher = Prefetcher(Cache(tmp_path / "cache", None, store), threads=1)
    for shard in shards:
        prefetcher.ask(*shard.facts)
    assert begun.wait(10)
    may_end.set()
    prefetcher.close()
    fetched = whole_files(tmp_path)
    assert fetched < {shard.facts[2] for shard in shards}
    monkeypatch.undo()
    # Nothing is pinned: room for one file is room enough.
    Cache(tmp_path / "cache", 100_000, store).fetch(*shards[5].facts)
    assert whole_files(tmp_path) == {shards[5].facts[2]}


def test_who_waits_for_a_file_when_all_is_closed_gets_no_file_and_nobody_does_later(
    store: Store, shards: list[Shard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = held_up(store, monkeypatch)
    prefetcher = Prefetcher(Cache(tmp_path / "cache", None, store), threads=1)
    for shard in shards[:2]:
        prefetcher.ask(*shard.facts)
    assert begun.wait(10)
    with ThreadPoolExecutor(2) as threads:
        taken = threads.submit(prefetcher.take, *shards[1].facts)
        while shards[1].facts[2] in prefetcher._asked:
            time.sleep(0.001)
        closed = threads.submit(prefetcher.close)
        with pytest.raises(CancelledError):
            taken.result(10)
        assert not closed.done()
        may_end.set()
    assert whole_files(tmp_path) == {shards[0].facts[2]}
    prefetcher.ask(*shards[0].facts)
    with pytest.raises(DataError, match=r"data%20set: was closed: open the data set again"):
        prefetcher.take(*shards[0].facts)
    prefetcher.close()


def test_waiting_is_counted_for_the_taker_alone(
    store: Store, shards: list[Shard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = Event()
    size = store.size
    monkeypatch.setattr(store, "size", lambda name: (may_end.wait(0.2), size(name))[1])
    with Prefetcher(Cache(tmp_path / "cache", None, store)) as prefetcher:
        prefetcher.ask(*shards[0].facts)
        assert store.counts.now.wait_seconds == 0
        prefetcher.take(*shards[0].facts).release()
        assert store.counts.now.wait_seconds > 0.1
