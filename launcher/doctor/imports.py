"""Checks that packages can be imported, and which accelerators torch sees, by trying it in another process.

A package that kills its process, as one built for another processor does, is then a finding like any other.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .finding import Finding

# Those with native code, and what stands on them; torch before what imports it, so that the culprit is named.
NATIVE = ("numpy", "scipy", "pyarrow", "obstore", "tokenizers", "safetensors", "torch", "transformers", "deepspeed")

_TRIAL = Path(__file__).with_name("trial.py")
_SECONDS = 300.0  # each try, on a slow network file system


def check_imports(names: Sequence[str] = NATIVE, devices: Path = Path("/dev")) -> Iterator[Finding]:
    """Try every package; where torch can be imported, look for accelerators too.

    Args:
        names: Packages, in this order.
        devices: Folder where drivers put their devices.
    """
    while names:
        trial = _try(names)
        failed = {name: said for name, said in trial.said.items() if said}
        for name, said in failed.items():
            yield _broken(name, said)
        if sound := [name for name in trial.said if name not in failed]:
            yield Finding(f"import {', '.join(sound)}", "ok", "can be imported")
        if trial.accelerators is not None:
            yield _accelerators(trial.accelerators, devices)
        if trial.end:
            yield _broken(names[len(trial.said)], trial.end)
        names = names[len(trial.said) + 1 :]


@dataclass(frozen=True)
class _Trial:
    """What a process said of packages, one after the other, and why it ended before the last."""

    said: Mapping[str, str]
    accelerators: Mapping[str, Any] | None
    end: str


def _try(names: Sequence[str]) -> _Trial:
    command = [sys.executable, "-P", str(_TRIAL), *names]
    environment = os.environ | {"TORCHDYNAMO_DISABLE": "1"}  # as in training; it saves seconds
    try:
        ended = subprocess.run(  # noqa: S603  # our own file
            command, env=environment, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
        out, end = ended.stdout, f"ends the process, exit code {ended.returncode}"
    except subprocess.TimeoutExpired as error:
        out, end = (error.stdout or b"").decode(errors="replace"), f"takes longer than {_SECONDS:.0f} seconds"
    answers = [json.loads(line) for line in out.splitlines() if line.startswith('{"lmmtc": ')]
    said = {answer["lmmtc"]: answer["error"] for answer in answers if "error" in answer}
    accelerators = next((answer["accelerators"] for answer in answers if "accelerators" in answer), None)
    return _Trial(said, accelerators, end if len(said) < len(names) else "")


def _broken(name: str, said: str) -> Finding:
    return Finding(f"import {name}", "wrong", said, f"pip install --force-reinstall -c constraints.txt {name}")


def _accelerators(seen: Mapping[str, Any], devices: Path) -> Finding:
    built = f"torch is built for {seen['built_for']}"
    if seen["names"]:
        return Finding("accelerators", "ok", f"{', '.join(seen['names'])}; {built}")
    if drivers := sorted(path.name for path in devices.glob("nvidia[0-9]*")):
        return Finding(
            "accelerators",
            "warning",
            f"torch sees none of {', '.join(drivers)}; {built}",
            "install the build of torch for this driver, see README.md, and check CUDA_VISIBLE_DEVICES",
        )
    return Finding("accelerators", "ok", f"none: training uses the CPU; {built}")
