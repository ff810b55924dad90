"""The wheel, and not the tree: what it holds, and that it works from an empty folder without the checkout."""

import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from launcher.ports import free_port
from tests.programs import ROOT, copy_checkout, finish

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

pytest.importorskip("build", reason="the dev extra is not installed")

PACKAGES = ("launcher", "sharding", "trainer")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it, with the setuptools that is installed here."""
    place = tmp_path_factory.mktemp("wheel")
    copy = copy_checkout(place / "copy")
    finish(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", place, copy, timeout=200)
    [path] = place.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install it into an environment of its own, which borrows all dependencies."""
    place = tmp_path_factory.mktemp("environment") / "venv"
    finish(sys.executable, "-m", "venv", "--without-pip", place)
    python = place / "bin" / "python"
    finish(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    # Borrowed last and as a plain folder: pip must not see, and Python not follow, the link to the checkout there.
    [site] = place.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Make a folder without anything."""
    return tmp_path


def test_it_holds_the_three_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    modules = {path.relative_to(ROOT).as_posix() for name in PACKAGES for path in (ROOT / name).rglob("*.py")}
    page = {path.relative_to(ROOT).as_posix() for path in (ROOT / "launcher/serving/page").iterdir()}
    assert page
    assert {name for name in names if ".dist-info/" not in name} == modules | page


def test_it_brings_one_program(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as content:
        [name] = [name for name in content.namelist() if name.endswith("entry_points.txt")]
        assert content.read(name).decode().split("\n") == ["[console_scripts]", "lmmtc = launcher.cli:main", ""]


@pytest.mark.parametrize("name", PACKAGES)
def test_its_packages_are_found_before_those_of_the_checkout(python: Path, empty: Path, name: str) -> None:
    said = finish(python, "-c", f"import {name}; print({name}.__file__)", cwd=empty)
    assert Path(said.out.strip()).is_relative_to(python.parent.parent)


def test_the_program_explains_itself(python: Path, empty: Path) -> None:
    assert "lmmtc data shard" in finish(python.with_name("lmmtc"), "--help", cwd=empty).out


def test_a_rank_can_be_started_as_a_module(python: Path, empty: Path) -> None:
    assert "Train LM-MTC as one rank" in finish(python, "-m", "launcher.run", "--help", cwd=empty).out


def test_deepspeed_can_start_ranks_as_a_module(python: Path, empty: Path) -> None:
    options = ("--num_accelerators", 2, "--master_port", free_port(), "--module", "launcher.run", "--help")
    said = finish(python, "-m", "deepspeed.launcher.runner", *options, cwd=empty, timeout=120)
    assert said.out.count("Train LM-MTC as one rank") == 2
