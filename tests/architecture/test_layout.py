"""The form of files and folders."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.sources import FILES, PACKAGES, name_of, tree
from tests.programs import ROOT, tracked_files

LONGEST = 300

LAZY = "trainer/__init__.py"  # its names come when they are asked for, see test_imports.py
DOORS = [path for path in FILES if path.name == "__init__.py" and name_of(path) != LAZY]
OF_SOMEBODYS_MACHINE = re.compile(rb"/(work|root|home|Users|mnt|scratch)/\w")


def test_there_is_something_to_look_at() -> None:
    assert {name_of(path).split("/")[0] for path in FILES} == set(PACKAGES)


def test_no_drawer_is_called_utils() -> None:
    assert not [name_of(path) for path in FILES if path.stem in {"util", "utils", "helpers", "common", "misc"}]


def test_no_file_is_too_long_to_be_read_at_once() -> None:
    files = [*FILES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]
    assert {name_of(path): lines for path in files if (lines := len(path.read_text().splitlines())) > LONGEST} == {}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_module_says_in_a_sentence_what_it_decides(path: Path) -> None:
    docstring = ast.get_docstring(tree(path))
    assert docstring, "has no docstring"
    sentence = docstring.split("\n\n")[0]
    assert sentence.endswith((".", ":"))


@pytest.mark.parametrize("path", DOORS, ids=name_of)
def test_a_door_only_hands_on_what_its_own_modules_define(path: Path) -> None:
    _docstring, *statements = tree(path).body
    for statement in statements:
        assert isinstance(statement, ast.ImportFrom)
        assert statement.level == 1
        assert statement.module
        for alias in statement.names:
            assert alias.asname == alias.name
            assert alias.name in defined(module_file(path.parent, statement.module))


def module_file(folder: Path, module: str) -> Path:
    place = folder.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def defined(path: Path) -> set[str]:
    names = set()
    for statement in tree(path).body:
        match statement:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.ImportFrom(names=aliases) if path.name == "__init__.py":
                names |= {alias.asname or alias.name for alias in aliases}
    return names


def test_a_folder_of_tests_is_named_for_the_folder_it_tests() -> None:
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    mirrored = {folder for folder in folders if folder.parts[0] in PACKAGES}
    assert mirrored
    assert [folder for folder in mirrored if not (ROOT / folder).is_dir()] == []


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    found = {name: match.group() for name in tracked_files() if (match := OF_SOMEBODYS_MACHINE.search(content(name)))}
    assert found == {}


def content(name: str) -> bytes:
    path = ROOT / name
    return path.read_bytes() if path.is_file() else b""  # deleted, and not committed yet
