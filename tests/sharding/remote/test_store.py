"""Stores: S3 as a real server speaks it, and folders of this machine."""

import os
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sharding import DataError, UnreachableError
from sharding.remote import Store, open_store
from tests.s3_server import BUCKET, SECRET_KEY
from tests.sharding.remote.conftest import FAST

KINDS = ["s3", "file"]


@pytest.fixture
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "s3":
        return request.getfixturevalue("store")
    return open_store((tmp_path / "a folder").as_uri())


@pytest.fixture
def a_file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    return path


@pytest.mark.parametrize("any_store", KINDS, indirect=True)
def test_what_was_written_is_found_and_read_in_parts(any_store: Store, a_file: Path) -> None:
    any_store.write("train/b.arrow", a_file)
    any_store.write("train/a b#%20ü.arrow", a_file)
    any_store.write("manifest.json", a_file)
    assert any_store.list() == ["manifest.json", "train/a b#%20ü.arrow", "train/b.arrow"]
    assert any_store.list("train") == ["train/a b#%20ü.arrow", "train/b.arrow"]
    for name in any_store.list():
        assert any_store.size(name) == 10
        assert any_store.read(name, 3, 6) == b"345"
    assert any_store.counts.now.bytes == 9


@pytest.mark.parametrize("any_store", KINDS, indirect=True)
def test_many_parts_of_a_large_file_arrive_in_order(any_store: Store, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(os.urandom(12 << 20))  # more than one part of an upload
    any_store.write("large", large)
    assert any_store.size("large") == 12 << 20
    assert any_store.read("large", 5 << 20, 7 << 20) == large.read_bytes()[5 << 20 : 7 << 20]


@pytest.mark.parametrize("any_store", KINDS, indirect=True)
def test_a_manifest_is_published_once_and_again_only_as_it_is(any_store: Store, a_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"9876543210")
    any_store.write("manifest.json", a_file, if_none_match=True)
    any_store.write("manifest.json", a_file, if_none_match=True)
    with pytest.raises(DataError, match=r"manifest\.json: is there already, with another content: choose another"):
        any_store.write("manifest.json", other, if_none_match=True)
    assert any_store.read("manifest.json", 0, 10) == a_file.read_bytes()
    any_store.write("manifest.json", other)
    assert any_store.read("manifest.json", 0, 10) == other.read_bytes()
    assert any_store.list() == ["manifest.json"]


@pytest.mark.parametrize("any_store", KINDS, indirect=True)
def test_of_many_who_publish_at_once_one_succeeds(any_store: Store, tmp_path: Path) -> None:
    files = [tmp_path / str(number) for number in range(8)]
    for file in files:
        file.write_text(file.name)

    def succeeds(file: Path) -> bool:
        try:
            any_store.write("manifest.json", file, if_none_match=True)
        except DataError:
            return False
        return True

    with ThreadPoolExecutor(len(files)) as threads:
        published = [file.name for file, won in zip(files, threads.map(succeeds, files), strict=True) if won]
    assert [any_store.read("manifest.json", 0, 1).decode()] == published


@pytest.mark.parametrize("any_store", KINDS, indirect=True)
@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a/../../up"])
def test_a_name_from_a_manifest_cannot_leave_the_store(any_store: Store, name: str) -> None:
    with pytest.raises(DataError, match="must be relative to"):
        any_store.read(name, 0, 1)
    with pytest.raises(DataError, match="must be relative to"):
        any_store.write(name, Path(__file__))


@pytest.mark.parametrize("any_store", KINDS, indirect=True)
def test_a_file_that_is_not_there_is_named_by_its_whole_address(any_store: Store) -> None:
    with pytest.raises(DataError, match=r"/train/00000\.arrow: no such"):
        any_store.size("train/00000.arrow")
    with pytest.raises(DataError, match=r"/train/00000\.arrow: no such"):
        any_store.read("train/00000.arrow", 0, 1)
    assert any_store.counts.now.retries == 0


def test_a_folder_says_when_a_file_is_shorter_than_what_is_asked_for(a_file: Path) -> None:
    with pytest.raises(DataError, match="file: ends after 10 bytes: 12 were asked for"):
        open_store(str(a_file.parent)).read(a_file.name, 8, 12)


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match=r"s3://no-such-bucket/a/b: no such object, or no bucket no-such-bucket"):
        open_store("s3://no-such-bucket/a").size("b")


def test_wrong_credentials_are_an_error_at_once_that_tells_no_secret(
    s3: str, a_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong" + SECRET_KEY)
    store = open_store(s3)
    for ask in (lambda: store.size("x"), lambda: store.read("x", 0, 1), lambda: store.write("x", a_file), store.list):
        with pytest.raises(DataError, match=f"access denied: these credentials must .* use bucket {BUCKET}") as caught:
            ask()
        assert "a-secret" not in "".join(traceback.format_exception(caught.value))
    assert store.counts.now.retries == 0


def test_a_machine_without_keys_and_without_a_role_says_so(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_") and name != "AWS_ENDPOINT_URL"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")  # where a role would be asked for
    with pytest.raises(DataError, match="x: no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_P"):
        open_store(s3, patience=FAST).size("x")


def test_a_server_that_is_not_there_is_asked_eight_times(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # the port of a service that nobody runs
    store = open_store(s3, patience=FAST)
    with pytest.raises(
        UnreachableError, match=r"s3://.*/x: failed 8 times in \d+ s, at last: .*: check the network and AWS_"
    ):
        store.size("x")
    assert store.counts.now.retries == 7


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host/x", r"store 'ftp://host/x': must be s3://bucket/prefix, file:///folder or a path"),
        ("s3:///x", "must be s3://bucket/prefix"),
        ("file://host/x", "must be s3://bucket/prefix"),
        ("s3://user:hush@bucket/x", r"store s3://bucket\.\.\.: must be scheme://place/path and nothing else"),
        ("s3://bucket/x?secret_key=hush", "credentials belong in the environment or in ~/.aws"),
    ],
)
def test_an_address_that_is_none_is_refused_and_its_secret_not_repeated(url: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        open_store(url)
    assert "hush" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # which is what this is about
def test_a_store_says_that_it_does_not_outlive_a_fork(store: Store, upload: Callable[..., object]) -> None:
    upload(store)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            store.size("train/00000.arrow")
        except DataError as error:
            os.write(writer, str(error).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as said:  # noqa: PTH123 - a pipe
        assert b"cannot be read in a fork: start processes by spawn or forkserver" in said.read()
    os.waitpid(child, 0)
