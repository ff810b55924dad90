"""Reads our Dockerfile, and runs the steps of a stage without containers: its absolute folders lie below a place."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.programs import PROGRAMS, ROOT, finish

PATH = ROOT / "deploy/image/Dockerfile"
FOLDERS = ("/opt/lmmtc", "/build", "/wheel")
MOUNT = re.compile(r"--mount=\S+ ")


@dataclass(frozen=True)
class Step:
    """An instruction and what follows it."""

    instruction: str
    words: str


def stages() -> Mapping[str, tuple[Step, ...]]:
    """Read the steps of each stage, by its name."""
    found: dict[str, list[Step]] = {}
    steps: list[Step] = []
    for line in _lines(PATH.read_text(encoding="utf-8")):
        instruction, _, words = line.partition(" ")
        if instruction == "FROM":
            steps = found.setdefault(words.rpartition(" AS ")[2], [])
        steps.append(Step(instruction, words))
    return {name: tuple(steps) for name, steps in found.items()}


def _lines(text: str) -> Iterator[str]:
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    yield from (line.strip() for line in kept.replace("\\\n", " ").splitlines() if line.strip())


def run_stage(name: str, place: Path) -> None:
    """Do what COPY and RUN of a stage say; what is copied from another stage lies at its place already."""
    folder = place
    for step in stages()[name]:
        match step.instruction:
            case "WORKDIR":
                folder = Path(_moved(step.words, place))
                folder.mkdir(parents=True, exist_ok=True)
            case "COPY" if not step.words.startswith("--from"):
                *sources, target = step.words.split()
                for source in sources:
                    _copy(ROOT / source, folder / target)
            case "RUN":
                _run(_moved(MOUNT.sub("", step.words), place), folder, place)


def _run(script: str, folder: Path, place: Path) -> None:
    # The checkout is on no path, and its environment is not the one that pip installs into.
    path = os.pathsep.join([str(place / "opt/lmmtc/bin"), str(PROGRAMS), os.environ["PATH"]])
    finish("env", "-u", "PYTHONPATH", f"PATH={path}", "bash", "-euc", script, cwd=folder, timeout=400)


def _moved(words: str, place: Path) -> str:
    for folder in FOLDERS:
        words = re.sub(rf"(?<![\w.]){folder}\b", f"{place}{folder}", words)
    return words


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)
