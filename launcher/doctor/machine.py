"""Checks of a machine that is to host ranks: shared memory, ports, its name, its clock, a compiler, no stale lock."""

import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from .finding import Finding

_GIB = 2**30
_DAY = 86_400.0
_LAST_PORT = 65_535


def check_machine(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Look at all that does not depend on a configuration."""
    yield check_shared_memory(Path("/dev/shm"))  # noqa: S108  # it is what NCCL and DeepSpeed use
    yield check_port(0)
    yield check_host_name(socket.gethostname())
    yield check_clock(Path(__file__))
    yield check_compiler(environment)
    yield from check_locks(build_folder(environment))


def check_shared_memory(folder: Path) -> Finding:
    """Tell of the size that containers have, unless they are told otherwise."""
    if not folder.is_dir():
        return Finding("shared memory", "warning", f"{folder}: not there", "mount a tmpfs there, of 1 GiB or more")
    usage = shutil.disk_usage(folder)
    found = f"{folder}: {usage.free / _GIB:.2f} of {usage.total / _GIB:.2f} GiB free"
    if usage.free < _GIB:
        advice = "ranks of a machine talk through it: docker run --shm-size=2g; in a pod, a Memory emptyDir there"
        return Finding("shared memory", "warning", found, advice)
    return Finding("shared memory", "ok", found)


def check_port(port: int, what: str = "a free port") -> Finding:
    """Listen on a port, 0 for any, at all addresses."""
    if port > _LAST_PORT:
        return Finding(what, "wrong", f"port {port}: the last one is {_LAST_PORT}", "choose another port")
    try:
        with socket.create_server(("", port)) as server:
            return Finding(what, "ok", f"port {server.getsockname()[1]} can be listened on")
    except OSError as error:
        advice = "choose another port" if port else "let this process listen: a sandbox, or a limit, forbids it"
        return Finding(what, "wrong", f"port {port}: {os.strerror(error.errno or 0)}", advice)


def check_ports(first: int, ranks: int, what: str) -> Finding:
    """Listen on the port of each rank, which are in a row; tell of the first that is wrong."""
    found = [check_port(port, what) for port in range(first, first + ranks)]
    wrong = next((each for each in found if each.state == "wrong"), None)
    if wrong or ranks == 1:
        return wrong or found[0]
    return Finding(what, "ok", f"ports {first} to {first + ranks - 1} can be listened on, for {ranks} ranks")


def check_host_name(name: str) -> Finding:
    """Tell whether the name leads to an address of this machine that others can reach."""
    advice = "for ranks on several machines: let it lead to an address that others reach, or set GLOO_SOCKET_IFNAME"
    try:
        addresses = sorted({str(info[4][0]) for info in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)})
    except OSError as error:
        return Finding("host name", "warning", f"{name}: does not resolve: {error.strerror}", advice)
    found = f"{name}: {', '.join(addresses)}"
    own = [address for address in addresses if _is_own(address)]
    if not own:
        return Finding("host name", "warning", f"{found}: not an address of this machine", advice)
    if all(address == "::1" or address.startswith("127.") for address in own):
        return Finding("host name", "warning", f"{found}: only this machine reaches that", advice)
    return Finding("host name", "ok", found)


def check_clock(known: Path) -> Finding:
    """Tell whether it is earlier than a file that is there already, which no clock that is right can be."""
    now, made = time.time(), known.stat().st_mtime
    found = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if now < made - _DAY:
        advice = "set the clock, best by NTP: S3 refuses requests that are minutes off"
        return Finding(
            "clock", "wrong", f"{found}, which is {(made - now) / _DAY:.1f} days before {known} was made", advice
        )
    return Finding("clock", "ok", found)


def check_compiler(environment: Mapping[str, str]) -> Finding:
    """Look for what builds DeepSpeed's op at the first start, on machines without GPUs."""
    name = environment.get("CXX", "c++")
    if found := shutil.which(name, path=environment.get("PATH")):
        return Finding("compiler", "ok", found)
    return Finding("compiler", "warning", f"{name}: not there", "apt-get install g++, and run lmmtc setup once")


def build_folder(environment: Mapping[str, str]) -> Path:
    """Name the folder below which torch builds ops."""
    if own := environment.get("TORCH_EXTENSIONS_DIR"):
        return Path(own)
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torch_extensions"


def check_locks(builds: Path) -> Iterator[Finding]:
    """Find what builds left that were killed: whoever loads such an op waits for ever."""
    locks = [lock for pattern in ("*/lock", "*/*/lock") for lock in builds.glob(pattern)]
    for lock in locks:
        age = (time.time() - lock.stat().st_mtime) / 60
        advice = f"if nothing is being built now: lmmtc setup, or rm {lock}"
        yield Finding("build lock", "warning", f"{lock}: {age:.0f} minutes old", advice)
    if not locks:
        yield Finding("build lock", "ok", f"none below {builds}")


def _is_own(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
