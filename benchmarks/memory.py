"""The memory of a process of its own: what a step takes is not hidden by what others left behind. Linux only."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

# glibc gives what is freed back at once, slowly: the peak is what lives, and not how it was scattered.
GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def said_by(module: str, *arguments: object, environment: Mapping[str, str] = MappingProxyType({})) -> str:
    """Run a module in a fresh process, with these variables set, and return what it prints."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    surroundings = {**os.environ, **environment}
    return subprocess.run(command, env=surroundings, check=True, capture_output=True, text=True).stdout  # noqa: S603


def resident(key: str) -> int:
    """Read bytes: VmRSS, what is resident now, or VmHWM, the most since the last `forget_peak`."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    [line] = [line for line in lines if line.startswith(key + ":")]
    return int(line.split()[1]) * 1024


def forget_peak() -> None:
    """Let the peak be what is resident now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
