"""Decides how contenders are timed: each in a process of its own that stays, and one pass of each in turn."""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sharding import publish_folder

from .figures import Speed
from .peers import ROOT, MissingError, python_of, run_or_miss
from .records import Records

MODULE = "benchmarks.stream.contenders"
OURS = ("ours", "ours_tar", "in_order")


class Contender:
    """A started reader that has warmed up and delivered what it should."""

    def __init__(self, name: str, python: Path, folder: Path, digest: int) -> None:
        self.name = name
        command = [str(python), "-m", f"{MODULE}.{name}", "read", str(folder)]
        self._process = subprocess.Popen(  # noqa: S603  # a Python that was made here, or ours
            command,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        if (found := self._answer()["digest"]) != digest:
            self.stop()
            raise MissingError(f"{name}: read records of digest {found}: the corpus has {digest}")

    def again(self) -> Speed:
        """Read all once more."""
        assert self._process.stdin
        self._process.stdin.write("again\n")
        self._process.stdin.flush()
        return Speed(**self._answer())

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        if not (line := self._process.stdout.readline()):
            self.stop()
            raise MissingError(f"{self.name}: ended with {self._process.returncode} while it read")
        return json.loads(line)


def start(names: Iterable[str], count: int, folder: Path) -> tuple[list[Contender], dict[str, MissingError]]:
    """Prepare what is not there yet and start all; say which are missing, and why."""
    corpus = folder / f"{count}" / "corpus"
    if not corpus.exists():
        with publish_folder(corpus) as temporary:
            Records.invent(count).save(temporary)
    digest = Records.load(corpus).digest()
    started, missing = [], {}
    for name in names:
        try:
            python = python_of(name, folder)
            started.append(Contender(name, python, _prepared(name, python, corpus), digest))
        except MissingError as error:
            missing[name] = error
    return started, missing


def race(contenders: Iterable[Contender], rounds: int) -> Mapping[str, list[Speed]]:
    """Time each `rounds` times, never two at once; stop them. Returns all speeds by name."""
    turns = list(contenders)
    speeds: dict[str, list[Speed]] = {contender.name: [] for contender in turns}
    for _ in range(rounds):
        for contender in turns:
            speeds[contender.name].append(contender.again())
    for contender in turns:
        contender.stop()
    return speeds


def _prepared(name: str, python: Path, corpus: Path) -> Path:
    folder = corpus.with_name(name)
    if not folder.exists():
        print(f"{name}: writing its own files", flush=True)
        with publish_folder(folder) as temporary:
            run_or_miss(f"files of {name}", python, "-m", f"{MODULE}.{name}", "prepare", corpus, temporary)
    return folder
