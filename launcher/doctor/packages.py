"""Checks of Python and of packages against what lmmtc needs, by what pip has written: none is imported."""

import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from ..identity import foreign_packages
from .finding import Finding

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Needs:
    """The Python and the packages that lmmtc needs, and the versions that were tested together, as far as is known."""

    python: SpecifierSet
    packages: Sequence[Requirement]
    tested: Mapping[str, SpecifierSet] = field(default_factory=dict)


def needs(root: Path = _ROOT) -> Needs | None:
    """Read them in a clone; of a wheel that is installed, ask pip's notes; None where there is neither.

    A clone that was installed some time ago may need more than pip noted then.
    """
    if (constraints := root / "constraints.txt").is_file():
        tree = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        pins = _requirements(constraints.read_text(encoding="utf-8").splitlines())
        tested: dict[str, SpecifierSet] = {canonicalize_name(pin.name): pin.specifier for pin in pins}
        return Needs(SpecifierSet(tree["requires-python"]), _requirements(tree["dependencies"]), tested)
    try:
        ours = metadata("lmmtc")
    except PackageNotFoundError:
        return None
    return Needs(SpecifierSet(ours["Requires-Python"]), _requirements(ours.get_all("Requires-Dist") or ()))


def check_packages(needed: Needs | None) -> Iterator[Finding]:
    """Compare what lmmtc needs, see `needs`, with what is installed."""
    yield _own_packages()
    if needed is None:
        yield Finding("lmmtc", "wrong", "not installed for this Python", "pip install lmmtc, or work in a clone of it")
        return
    yield _python(needed.python)
    for requirement in needed.packages:
        yield _package(requirement, needed.tested.get(canonicalize_name(requirement.name)))


def _requirements(lines: Iterable[str]) -> list[Requirement]:
    """Read them, without comments and extras."""
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return [each for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})]


def _own_packages() -> Finding:
    if places := foreign_packages():
        advice = "uninstall the distribution that brought the other one, or use a virtual environment of lmmtc's own"
        return Finding("own packages", "wrong", places, advice)
    return Finding("own packages", "ok", "launcher, trainer and sharding lie side by side")


def _python(needed: SpecifierSet) -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    if found in needed:
        return Finding("python", "ok", found)
    return Finding("python", "wrong", found, f"use Python {needed}")


def _package(requirement: Requirement, tested: SpecifierSet | None) -> Finding:
    name, needed = requirement.name, requirement.specifier
    install = f'pip install -c constraints.txt "{name}{needed}"'
    try:
        found = version(name)
    except PackageNotFoundError:
        return Finding(name, "wrong", "not installed", install)
    except KeyError:  # so says importlib_metadata, where a package has brought it along; Python itself gives None
        found = None
    if found is None or not _fits(found, needed):
        return Finding(name, "wrong", f"{found}, and {needed} is needed", install)
    if tested is not None and found not in tested:
        return Finding(name, "warning", f"{found}, and {tested} was tested", install)
    return Finding(name, "ok", found)


def _fits(found: str, needed: SpecifierSet) -> bool:
    """Compare; where pip's notes are damaged, there may be something that is no version."""
    try:
        return needed.contains(found, prereleases=True)
    except InvalidVersion:
        return False
