"""Starts programs as a user does, and shows what they said when they do not end as expected."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

import psutil

from tests.ranks import ENVIRONMENT

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(sys.executable).parent


@dataclass(frozen=True)
class Finished:
    """What a program said that ended as expected."""

    out: str
    err: str


def finish(
    *command: object, code: int = 0, timeout: float = 60, cwd: Path = ROOT, env: Mapping[str, object] | None = None
) -> Finished:
    """Run a program to its end and check its exit code."""
    with started(*command, cwd=cwd, env=env) as program:
        return end_of(program, code=code, timeout=timeout)


@contextmanager
def started(
    *command: object, cwd: Path = ROOT, env: Mapping[str, object] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start a program whose output is kept; at the end of the block nothing that it started is left."""
    words = [str(word) for word in command]
    surroundings = environment(env or {})
    with subprocess.Popen(
        words, cwd=cwd, env=surroundings, stdin=subprocess.DEVNULL, stdout=PIPE, stderr=PIPE, text=True
    ) as program:
        try:
            yield program
        finally:
            _kill(program)


def end_of(program: subprocess.Popen[str], *, code: int = 0, timeout: float = 60) -> Finished:
    """Wait for the end, and fail with all that the program said if it comes late or with another exit code."""
    try:
        out, err = program.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        _kill(program)
        out, err = program.communicate()
        raise AssertionError(f"not done after {timeout} seconds: {_story(program, out, err)}") from None
    assert program.returncode == code, f"exit code {program.returncode}, not {code}: {_story(program, out, err)}"
    return Finished(out, err)


def environment(changes: Mapping[str, object]) -> dict[str, str]:
    """Make the environment of a user's shell: this interpreter's programs first, none of the tests' own settings."""
    inherited = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    path = f"{PROGRAMS}{os.pathsep}{inherited['PATH']}"
    return inherited | {"PATH": path} | {name: str(value) for name, value in changes.items()}


def tracked_files() -> list[str]:
    """Name the files of the checkout, those that are not committed yet among them."""
    listing = finish("git", "ls-files", "--cached", "--others", "--exclude-standard").out
    return sorted(set(listing.splitlines()))


def copy_checkout(target: Path) -> Path:
    """Copy the files of the checkout, and nothing that was built beside them."""
    for name in tracked_files():
        if (ROOT / name).is_file():  # else deleted, and not committed yet
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def write_config(path: Path, **sections: Mapping[str, object]) -> Path:
    """Write a configuration file; JSON's plain values are TOML's."""
    tables = [
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value, default=str)}\n" for key, value in values.items())
        for name, values in sections.items()
    ]
    path.write_text("\n".join(tables), encoding="utf-8")
    return path


def write_run(place: Path, dataset: object, encoder: Path, **sections: Mapping[str, object]) -> Path:
    """Configure a run of tiny texts in the folder `place`, with what else its sections say."""
    place.mkdir(exist_ok=True)
    own: dict[str, Mapping[str, object]] = {
        "run": {"folder": place / "run", "threads": 1},
        "data": {"dataset": dataset},
        "model": {"encoder": encoder, "max_tokens": 24},
    }
    merged = {name: {**own.get(name, {}), **sections.get(name, {})} for name in own | sections}
    return write_config(place / "run.toml", **merged)


def _kill(program: subprocess.Popen[str]) -> None:
    """Kill a program and all it started: launchers leave their ranks behind."""
    if program.poll() is None:
        for process in [*psutil.Process(program.pid).children(recursive=True), program]:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def _story(program: subprocess.Popen[str], out: str, err: str) -> str:
    return f"{program.args}\n--- stdout\n{out}\n--- stderr\n{err}"
