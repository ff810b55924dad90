"""Nothing that is read from a disk can run code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sharding
import trainer

UNSAFE_MODULES = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
UNSAFE_CALLS = {"torch.load", "torch.save", "np.load", "numpy.load", "eval", "exec"}


def used(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]
        elif isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.mark.parametrize("package", [sharding, trainer])
def test_nothing_unpickles_or_evaluates(package: object) -> None:
    (folder,) = package.__path__  # type: ignore[attr-defined]
    found = {path: set(used(path)) & (UNSAFE_MODULES | UNSAFE_CALLS) for path in Path(folder).rglob("*.py")}
    assert {str(path): names for path, names in found.items() if names} == {}
