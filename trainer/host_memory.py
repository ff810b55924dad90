"""Free host memory for this process: what the machine has left, and what its cgroup, a pod's say, allows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class _Files:
    """Where a version of cgroups says what is allowed, what is used, and how much of that is file cache."""

    limit: str
    used: str
    cache: tuple[str, ...]


_V2 = _Files("memory.max", "memory.current", ("inactive_file", "active_file"))
_V1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file"))


def free_on_host(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Count the bytes that can still be taken: the least that the machine and any enclosing cgroup have left.

    File cache counts as free: the kernel gives it up. Without cgroups, the machine decides.
    """
    return min([psutil.virtual_memory().available, *_left_in_cgroups(cgroups, own)])


def _left_in_cgroups(cgroups: Path, own: Path) -> Iterator[int]:
    for line in own.read_text().splitlines() if own.is_file() else ():
        _, controllers, path = line.split(":", maxsplit=2)
        if not controllers:
            yield from _left_up_to_the_root(cgroups, path, _V2)
        elif "memory" in controllers.split(","):
            yield from _left_up_to_the_root(cgroups / "memory", path, _V1)


def _left_up_to_the_root(root: Path, path: str, files: _Files) -> Iterator[int]:
    """Ask a cgroup and those around it; inside a container, only the root of what it sees may be there."""
    inner = root / path.lstrip("/")
    for folder in (inner, *inner.parents):
        limit, used = _number(folder / files.limit), _number(folder / files.used)
        if limit is not None and used is not None:
            statistics = _statistics(folder / "memory.stat")
            yield max(limit - used + sum(statistics.get(name, 0) for name in files.cache), 0)
        if folder == root:
            return


def _number(path: Path) -> int | None:
    """Read a number; None where there is no such file, or no limit ("max")."""
    text = path.read_text().strip() if path.is_file() else ""
    return int(text) if text.isdecimal() else None


def _statistics(path: Path) -> Mapping[str, int]:
    lines = path.read_text().splitlines() if path.is_file() else []
    return {name: int(value) for name, value in map(str.split, lines)}
