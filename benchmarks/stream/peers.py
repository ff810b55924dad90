"""Decides which other libraries there are to compare with, and gives each a virtual environment with the same torch."""

import shutil
import subprocess
import sys
from pathlib import Path

from sharding import LmmtcError

ROOT = Path(__file__).parents[2]

PEERS = {
    "webdataset": "webdataset==1.0.2",
    "litdata": "litdata==0.2.76",
    "mosaicml": "mosaicml-streaming==0.13.0",
    "hf_datasets": "datasets==5.2.0",
}


class MissingError(LmmtcError):
    """A contender cannot be measured here."""


def python_of(name: str, folder: Path) -> Path:
    """Find the Python that runs a contender: ours, or that of the environment `env-NAME` in `folder`.

    An environment that is not there is made, which takes minutes, a GB, and a package index; MissingError where that
    fails.
    """
    if name not in PEERS:
        return Path(sys.executable)
    environment = folder / f"env-{name}"
    made_of, wanted = environment / "made-of.txt", f"{torch_pin()}\n{PEERS[name]}\n"
    if not made_of.is_file() or made_of.read_text("ascii") != wanted:
        _make(environment, name)
        made_of.write_text(wanted, "ascii")
    return environment / "bin" / "python"


def torch_pin() -> str:
    """Say which torch we are tested with, as pip wants it said."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    [pin] = [line for line in lines if line.startswith("torch==")]
    return pin


def run_or_miss(what: str, *command: object) -> None:
    """Run a command; MissingError with the last line that it said when it fails."""
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise MissingError(f"{what}: ended with {done.returncode} and said: {said}")


def _make(environment: Path, name: str) -> None:
    print(f"{name}: installing {PEERS[name]}", flush=True)
    shutil.rmtree(environment, ignore_errors=True)
    python, constraint = environment / "bin" / "python", environment / "constraint.txt"
    run_or_miss(f"environment of {name}", sys.executable, "-m", "venv", environment)
    constraint.write_text(torch_pin(), "ascii")
    # Torch comes first and alone: with others, pip may choose another build of it.
    run_or_miss(f"torch for {name}", python, "-m", "pip", "install", torch_pin())
    run_or_miss(PEERS[name], python, "-m", "pip", "install", "-c", constraint, PEERS[name])
