"""The store interface on an S3 bucket: whose credentials, which failures are retried, how others are reported.

The client is obstore's, not pyarrow's: its time limit holds for a whole answer, so that one byte a second cannot hold a
reader, or the end of a process, for ever; and it writes under a condition. Its own retries are off: ours are counted.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from configparser import ConfigParser, Error
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, GenericError
from obstore.store import S3Store as Client

from ..errors import DataError, UnreachableError
from ..storage import inside
from .counts import FetchCounts
from .retry import RetriesExhaustedError, RetryPolicy, TransientError, insist

_OF_PROFILES = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "region": "region",
}


def s3_settings(environment: Mapping[str, str]) -> dict[str, Any]:
    """Collect what the client library does not find in the environment by itself, under the names that it knows.

    DataError when AWS_PROFILE names a profile without keys, or when the endpoint is no plain http(s) address.
    """
    settings = _address(environment)
    if "AWS_ACCESS_KEY_ID" in environment:
        return settings
    found = {_OF_PROFILES[key]: value for key, value in _profile(environment).items() if key in _OF_PROFILES}
    if "AWS_PROFILE" in environment and "secret_access_key" not in found:
        raise DataError(
            f"AWS_PROFILE = {environment['AWS_PROFILE']}: holds no keys, and logins and roles of profiles are not "
            "followed: try `eval $(aws configure export-credentials --format env)`"
        )
    if "AWS_REGION" in environment or "AWS_DEFAULT_REGION" in environment:
        found.pop("region", None)
    return settings | found


def _address(environment: Mapping[str, str]) -> dict[str, Any]:
    key = "AWS_ENDPOINT_URL_S3" if "AWS_ENDPOINT_URL_S3" in environment else "AWS_ENDPOINT_URL"
    if key not in environment:
        return {}
    parts = urlsplit(environment[key])
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise DataError(f"{key}: must be http://host:port or https://host:port")
    if "@" in parts.netloc:
        raise DataError(f"{key}: must hold no user and no password: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    return {"endpoint": environment[key]}


def _profile(environment: Mapping[str, str]) -> dict[str, str]:
    home = Path(environment["HOME"]) / ".aws" if "HOME" in environment else Path("/nonexistent")
    name = environment.get("AWS_PROFILE", "default")
    config = _section(
        Path(environment.get("AWS_CONFIG_FILE", home / "config")), name if name == "default" else f"profile {name}"
    )
    return config | _section(Path(environment.get("AWS_SHARED_CREDENTIALS_FILE", home / "credentials")), name)


def _section(path: Path, name: str) -> dict[str, str]:
    # "DEFAULT" is no section of its own in these files, and a % in a key is just a %.
    parser = ConfigParser(interpolation=None, default_section="")
    try:
        parser.read(path, encoding="utf-8")
    except (Error, ValueError):
        # The parser's own message quotes the line, which may be a secret.
        raise DataError(f"{path}: cannot be read as a file of AWS profiles") from None
    return dict(parser[name]) if parser.has_section(name) else {}


Answer = TypeVar("Answer")

_STATUS = re.compile(r"status code: (\d{3})")
_PASSING_STATUS = {"408", "409", "429"}  # 409: another writes under the same condition at this moment
# What a machine is asked for the keys of its role, when there are no others.
_MACHINE = "/latest/api/token"


class S3Store:
    """The objects below a prefix of a bucket, as a `Store`."""

    # The client's threads are the process's, and do not live on in a fork: there, it would wait for ever.
    _process: ClassVar[int | None] = None

    def __init__(self, bucket: str, prefix: str, client: Client, patience: RetryPolicy, counts: FetchCounts) -> None:
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self.counts = counts
        self._bucket = bucket
        self._prefix = prefix
        self._client = client
        self._patience = patience

    @classmethod
    def connect(
        cls, bucket: str, prefix: str, environment: Mapping[str, str], patience: RetryPolicy, counts: FetchCounts
    ) -> Self:
        """Make a client of what the environment says; no request is made yet."""
        return cls(bucket, prefix, connected(bucket, environment, patience), patience, counts)

    def size(self, name: str) -> int:
        """Give the bytes of an object; DataError when there is none."""
        return self._ask(name, lambda key: obstore.head(self._client, key)["size"])

    def read(self, name: str, start: int, stop: int) -> bytes:
        """Read bytes from `start` up to `stop`; DataError when they are not to be had."""

        def get(key: str) -> bytes:
            content = bytes(obstore.get_range(self._client, key, start=start, end=stop))
            self.counts.add(bytes=len(content))
            if len(content) != stop - start:
                raise TransientError(f"the answer has {len(content)} bytes: {stop - start} were asked for")
            return content

        return self._ask(name, get) if stop > start else b""

    def list(self, prefix: str = "") -> Sequence[str]:
        """Name the objects in the folder `prefix` and below, in order."""
        start = len(self._prefix) + 1 if self._prefix else 0
        return self._ask(
            prefix,
            lambda key: sorted(
                item["path"][start:] for items in obstore.list(self._client, key or None) for item in items
            ),
        )

    def write(self, name: str, path: Path, *, if_none_match: bool = False) -> None:
        """Upload a file, as `Store.write` says."""
        size = path.stat().st_size
        try:
            self._ask(
                name,
                lambda key: obstore.put(self._client, key, path, mode="create" if if_none_match else "overwrite"),
            )
        except AlreadyExistsError:
            # Also the end of a write whose first answer was lost.
            if self.size(name) != size or self.read(name, 0, size) != path.read_bytes():
                raise DataError(
                    f"{self.url}/{name}: is there already, with another content: choose another prefix"
                ) from None

    def _ask(self, name: str, request: Callable[[str], Answer]) -> Answer:
        self._check_process()
        key = inside(Path(self._prefix), name).as_posix() if name else self._prefix
        try:
            return insist(
                lambda: _sorted_out(lambda: request(key)),
                self._patience,
                on_retry=lambda: self.counts.add(retries=1),
            )
        except AlreadyExistsError:
            raise
        except (RetriesExhaustedError, FileNotFoundError, BaseError, ValueError) as error:
            # Without its cause: that one quotes the server's whole answer.
            raise self._sorted(error)(f"s3://{self._bucket}/{key}: {self._reason(error)}") from None

    def _check_process(self) -> None:
        if (S3Store._process or os.getpid()) != os.getpid():
            raise DataError(f"{self.url}: cannot be read in a fork: start processes by spawn or forkserver")
        S3Store._process = os.getpid()

    def _sorted(self, error: Exception) -> type[DataError | UnreachableError]:
        """Tell what may pass from what stays wrong."""
        return UnreachableError if isinstance(error, RetriesExhaustedError) and not _lacks_keys(error) else DataError

    def _reason(self, error: Exception) -> str:
        if _lacks_keys(error):
            return "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        if isinstance(error, RetriesExhaustedError):
            return f"{error}: check the network and AWS_ENDPOINT_URL"
        match _status(error):
            case "401" | "403":
                return f"access denied: these credentials must be allowed to use bucket {self._bucket}, and be correct"
            case "404":
                return f"no such object, or no bucket {self._bucket}: check the address"
            case _:
                return f"{_first_line(error)}: check the address and AWS_REGION"


def connected(bucket: str, environment: Mapping[str, str], patience: RetryPolicy, *, tries: int = 1) -> Client:
    """Make a client that makes each request so many times by itself."""
    settings: Any = s3_settings(environment)
    return Client(
        bucket,
        config=settings,
        client_options={
            "allow_http": settings.get("endpoint", "").startswith("http://"),
            "connect_timeout": timedelta(seconds=patience.connect),
            "timeout": timedelta(seconds=patience.request),
        },
        retry_config={
            "max_retries": tries - 1,
            "retry_timeout": timedelta(seconds=patience.deadline),
            "backoff": {
                "init_backoff": timedelta(seconds=patience.base),
                "max_backoff": timedelta(seconds=patience.cap),
                "base": 2,
            },
        },
    )


def _sorted_out(request: Callable[[], Answer]) -> Answer:
    try:
        return request()
    except GenericError as error:
        status = _status(error)
        if status and not status.startswith("5") and status not in _PASSING_STATUS:
            raise
        raise TransientError(_first_line(error)) from None


def _lacks_keys(error: Exception) -> bool:
    return _MACHINE in str(error)


def _status(error: Exception) -> str | None:
    # The client has classes for some of them, but not in every one of its calls.
    found = _STATUS.search(str(error))
    return found and found[1]


def _first_line(error: Exception) -> str:
    # What follows is the server's answer and the client's own notes.
    return str(error).partition("\n")[0].partition(": <")[0]
