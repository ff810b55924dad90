"""Objects that are written again: in pieces, under a condition, and removed, on a real server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random

import pytest

from sharding import DataError
from sharding.remote import Bucket, open_bucket
from tests.s3_server import BUCKET
from tests.sharding.remote.conftest import FAST
from tests.sharding.remote.faulty_proxy import Proxy, unavailable


@dataclass(frozen=True)
class Pieces:
    """Bytes in pieces of 5 MiB."""

    content: bytes
    size: int

    def __iter__(self) -> Iterator[memoryview]:
        for start in range(0, self.size, 5 << 20):
            yield memoryview(self.content)[start : start + (5 << 20)]


def pieces(size: int) -> Pieces:
    return Pieces(Random(size).randbytes(size), size)  # noqa: S311 - content, not secrets


def read(bucket: Bucket, name: str) -> bytes:
    return bucket.read(name, 0, bucket.size(name))


@pytest.fixture
def bucket(s3: str) -> Bucket:
    return open_bucket(s3, patience=FAST)


@pytest.fixture
def faulty_bucket(s3: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Open the same bucket as `bucket`, with the proxy between."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    return open_bucket(s3, patience=FAST)


@pytest.mark.parametrize("size", [10, 21 << 20])
def test_what_comes_in_pieces_is_one_object(bucket: Bucket, size: int) -> None:
    content = pieces(size)
    bucket.stream("a/large", content)
    assert read(bucket, "a/large") == content.content


def test_a_part_that_the_server_was_too_busy_for_is_sent_again(faulty_bucket: Bucket, proxy: Proxy) -> None:
    content = pieces(21 << 20)
    proxy.put_faults += [unavailable] * 4
    faulty_bucket.stream("large", content)
    assert not proxy.put_faults
    assert read(faulty_bucket, "large") == content.content


def test_pieces_that_break_off_leave_nothing(bucket: Bucket) -> None:
    @dataclass(frozen=True)
    class Broken(Pieces):
        def __iter__(self) -> Iterator[memoryview]:
            yield from list(super().__iter__())[:-1]
            raise RuntimeError("the source is gone")

    with pytest.raises(RuntimeError, match="the source is gone"):
        bucket.stream("large", Broken(bytes(21 << 20), 21 << 20))
    assert bucket.get("large") is None


def test_an_object_is_replaced_by_who_has_seen_its_version(bucket: Bucket) -> None:
    assert bucket.get("latest") is None
    first = bucket.swap("latest", b"1", None)
    assert first
    assert bucket.get("latest") == (b"1", first)
    assert bucket.swap("latest", b"2", None) is None
    second = bucket.swap("latest", b"2", first)
    assert bucket.swap("latest", b"3", first) is None
    assert bucket.get("latest") == (b"2", second)
    bucket.remove(["latest"])
    assert bucket.swap("latest", b"3", second) is None


def test_of_many_who_replace_an_object_at_once_one_succeeds(bucket: Bucket) -> None:
    version = bucket.swap("latest", b"first", None)
    contents = [str(number).encode() for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        versions = list(threads.map(lambda content: bucket.swap("latest", content, version), contents))
    [winner] = [content for content, written in zip(contents, versions, strict=True) if written]
    assert read(bucket, "latest") == winner


def test_a_replacement_whose_answer_was_lost_has_been_made(faulty_bucket: Bucket, proxy: Proxy) -> None:
    proxy.put_faults.append(unavailable)  # the server has written, and says so to nobody
    version = faulty_bucket.swap("latest", b"1", None)
    assert faulty_bucket.get("latest") == (b"1", version)
    proxy.put_faults.append(unavailable)
    assert faulty_bucket.swap("latest", b"2", version)


def test_objects_are_listed_with_their_sizes_and_removed(bucket: Bucket) -> None:
    for name in ("a/1", "a/b/2", "c"):
        bucket.swap(name, name.encode(), None)
    assert bucket.sizes() == {"a/1": 3, "a/b/2": 5, "c": 1}
    assert bucket.sizes("a") == {"a/1": 3, "a/b/2": 5}
    bucket.remove(["a/1", "never there"])
    bucket.remove([])
    assert bucket.sizes() == {"a/b/2": 5, "c": 1}


@pytest.mark.parametrize("name", ["../up", "/etc/passwd"])
def test_no_name_leads_out_of_the_prefix(bucket: Bucket, name: str) -> None:
    for ask in (bucket.get, lambda name: bucket.swap(name, b"", None), lambda name: bucket.remove([name])):
        with pytest.raises(DataError, match="must be relative to"):
            ask(name)


def test_a_refusal_is_an_error_that_names_the_object(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    bucket = open_bucket(s3, patience=FAST)
    for ask in (
        lambda: bucket.get("x"),
        lambda: bucket.swap("x", b"", None),
        lambda: bucket.stream("x", pieces(21 << 20)),
        lambda: bucket.remove(["x"]),
        bucket.sizes,
    ):
        with pytest.raises(DataError, match=f"s3://{BUCKET}/.*: access denied"):
            ask()
