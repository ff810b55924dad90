"""The source of the three packages as syntax trees: what is asked of it needs no import of it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.programs import ROOT

PACKAGES = ("launcher", "trainer", "sharding")
FILES = tuple(sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py")))


def name_of(path: Path) -> str:
    """Say where a file is, from the root on."""
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    """Parse a file."""
    return ast.parse(path.read_text(encoding="utf-8"), name_of(path))


def absolute_imports(path: Path) -> Iterator[str]:
    """Name all that a file imports absolutely, as deep as it can be known: `from a import b` is a.b."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from (f"{module}.{alias.name}" for alias in names)


def importers(module: str) -> set[str]:
    """Name the files that import `module` or a part of it."""
    return {
        name_of(path) for path in FILES if any(f"{name}.".startswith(f"{module}.") for name in absolute_imports(path))
    }


def called(path: Path) -> Iterator[str]:
    """Name all that a file calls, as it is written: `torch.load`, `eval`."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)
