"""Runs `lmmtc` as if only some distributions, and what they need, were installed: NAME... -- ARGUMENT..."""

import re
import sys
from collections.abc import Iterable
from importlib.metadata import packages_distributions, requires
from importlib.util import find_spec
from typing import Any

from packaging.requirements import Requirement

from launcher.cli import main

OURS = {"launcher", "trainer", "sharding"}


def canonical(name: str) -> str:
    """Spell a distribution's name as every other spelling of it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(names: Iterable[str]) -> set[str]:
    """Add what distributions need, extras left out."""
    found: set[str] = set()
    waiting = [canonical(name) for name in names]
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            needed = [Requirement(line) for line in requires(name) or []]
            waiting += [canonical(r.name) for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


class Others:
    """Refuses modules of all other distributions."""

    def __init__(self, allowed: set[str]) -> None:
        self._refused = {
            module
            for module, owners in packages_distributions().items()
            if module not in OURS and not {canonical(owner) for owner in owners} & allowed
        }

    def find_spec(self, name: str, *_: Any) -> None:
        """Let the next finder look for it, or nobody."""
        if name.partition(".")[0] in self._refused:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


if __name__ == "__main__":
    at = sys.argv.index("--")
    assert find_spec("torch"), "without torch there is nothing to refuse"
    sys.meta_path.insert(0, Others(closure(sys.argv[1:at])))
    sys.argv = ["lmmtc", *sys.argv[at + 1 :]]
    main()
