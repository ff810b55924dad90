"""Whether the three packages of this project are really ours: other distributions install packages of these names."""

import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("launcher", "trainer", "sharding")
EXIT_CODE = 78  # ExitCode.CONFIGURATION, which cannot be imported yet


def check_identity() -> None:
    """Exit with one clear message unless launcher, trainer and sharding lie side by side.

    Nothing of a foreign package has run by then.
    """
    if places := foreign_packages():
        sys.stderr.write(
            f"lmmtc's packages were found in different places: {places}. Another distribution has installed a package "
            "of the same name: uninstall it, or use a virtual environment of lmmtc's own\n"
        )
        sys.exit(EXIT_CODE)


def foreign_packages() -> str:
    """Say in which folder each of the three is, if that is not the same; else nothing."""
    found = {name: _folder(name) for name in PACKAGES}
    return ", ".join(f"{name} in {folder}" for name, folder in found.items()) if len(set(found.values())) > 1 else ""


def _folder(name: str) -> Path | None:
    spec = find_spec(name)
    return Path(spec.origin).parent.parent if spec and spec.origin else None
