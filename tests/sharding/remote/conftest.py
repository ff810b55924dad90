"""A store to ask, with and without faults on the way, and files to ask for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest
import xxhash

from sharding.remote import RetryPolicy, Store, open_store
from tests.sharding.remote.faulty_proxy import Proxy, faulty_proxy

# As patient as ever, only faster.
FAST = replace(RetryPolicy(), base=0.001, cap=0.01, request=1.0)


@dataclass(frozen=True)
class Shard:
    """A file in a store, and what a manifest says of it."""

    name: str
    content: bytes

    @property
    def facts(self) -> tuple[str, int, str]:
        return self.name, len(self.content), xxhash.xxh3_128_hexdigest(self.content)


@pytest.fixture
def proxy(endpoint: str) -> Iterator[Proxy]:
    """Put a faulty proxy before the server."""
    with faulty_proxy(endpoint) as proxy:
        yield proxy


@pytest.fixture
def store(s3: str) -> Store:
    return open_store(s3, patience=FAST)


@pytest.fixture
def faulty_store(s3: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Open the same store as `store`, with the proxy between."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    return open_store(s3, patience=FAST)


@pytest.fixture
def upload(tmp_path: Path) -> Callable[..., Shard]:
    """Put a file of `size` bytes into a store; the same number means the same content."""

    def put(store: Store, number: int = 0, size: int = 100_000) -> Shard:
        shard = Shard(f"train/{number:05}.arrow", Random(number).randbytes(size))  # noqa: S311 - content, not secrets
        path = tmp_path / f"{uuid4().hex}.upload"
        path.write_bytes(shard.content)
        store.write(shard.name, path)
        return shard

    return put
