"""A real S3 server of this machine's own: SeaweedFS, with one identity and one bucket."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyarrow import fs

from launcher.ports import free_port
from tests.programs import PROGRAMS

BUCKET = "shards"
ACCESS_KEY = "a-key"
SECRET_KEY = "a-secret"  # noqa: S105 - of a server that only this machine reaches

_PORTS = ("master.port", "volume.port", "filer.port", "s3.port")
_START_SECONDS = 60  # it takes four on a machine with nothing else to do


def environment(endpoint: str) -> dict[str, str]:
    """Give the variables by which any S3 client finds the server."""
    return {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
    }


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """Run the server with its data in `folder`, and lend its address."""
    credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    identity = {"name": "tests", "credentials": credentials, "actions": ["Admin", "Read", "Write", "List"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir()
    names = [name for port in _PORTS for name in (port, f"{port}.grpc")]
    ports = {name: port for port, name in enumerate(names, free_port(in_a_row=len(names)))}
    command = [PROGRAMS / "weed", "server", f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += ["-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=20"]
    # Two listeners that nobody asks would stand at fixed ports, where another server may be.
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += ["-filer", "-s3", f"-s3.config={folder / 's3.json'}", *(f"-{name}={ports[name]}" for name in ports)]
    log = folder / "log"
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as server:
        try:
            endpoint = f"http://127.0.0.1:{ports['s3.port']}"
            _make_bucket(endpoint, log)
            yield endpoint
        finally:
            server.kill()


def _make_bucket(endpoint: str, log: Path) -> None:
    client = fs.S3FileSystem(
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        endpoint_override=endpoint,
        region="us-east-1",
        allow_bucket_creation=True,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
    )
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            client.create_dir(BUCKET)
            # A bucket is there before a place for its objects is.
            with client.open_output_stream(f"{BUCKET}/first") as stream:
                stream.write(b"first")
        except OSError as error:
            if time.monotonic() > end:
                raise AssertionError(log.read_text()) from error
            time.sleep(0.1)
        else:
            return
