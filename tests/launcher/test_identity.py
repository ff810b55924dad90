"""Foreign packages of our names, and names of ours that would hide foreign packages."""

import shutil
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from launcher.exit_codes import ExitCode
from launcher.identity import EXIT_CODE
from tests.programs import PROGRAMS, ROOT, finish

RUN = ROOT / "launcher" / "run.py"


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Make a folder with somebody else's `trainer`, which leaves a mark when it runs."""
    folder = tmp_path / "foreign"
    (folder / "trainer").mkdir(parents=True)
    (folder / "trainer" / "__init__.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\n", encoding="utf-8")
    return folder


def complaint(ours: Path, theirs: Path) -> str:
    return (
        f"lmmtc's packages were found in different places: launcher in {ours}, trainer in {theirs}, sharding in {ours}"
        ". Another distribution has installed a package of the same name: uninstall it, or use a virtual environment "
        "of lmmtc's own\n"
    )


def test_a_foreign_package_in_front_of_ours_is_named_and_never_run(foreign: Path) -> None:
    said = finish(PROGRAMS / "lmmtc", "--help", env={"PYTHONPATH": f"{foreign}:{ROOT}"}, code=78)
    assert said.err == complaint(ROOT, foreign)
    assert not (foreign / "ran").exists()


def test_a_foreign_package_in_place_of_one_of_ours_is_named_and_never_run(foreign: Path, tmp_path: Path) -> None:
    for name in ("launcher", "sharding"):
        shutil.copytree(ROOT / name, tmp_path / name)
    start = (sys.executable, tmp_path / "launcher" / "run.py", "--config", "run.toml")
    said = finish(*start, cwd=tmp_path, env={"PYTHONPATH": foreign}, code=78)
    assert said.err == complaint(tmp_path, foreign)
    assert not (foreign / "ran").exists()


@pytest.mark.parametrize("start", [(RUN,), ("-m", "launcher.run")], ids=["file", "module"])
def test_a_rank_finds_our_packages_first(foreign: Path, start: tuple[object, ...]) -> None:
    path = {"PYTHONPATH": f"{foreign}:{ROOT}"}
    said = finish(sys.executable, *start, "--config", "run.toml", cwd=foreign, env=path, code=78)
    assert said.err == "ConfigError: run.toml: no such configuration file\n"
    assert not (foreign / "ran").exists()


def test_the_exit_code_is_the_one_of_a_configuration_that_cannot_work() -> None:
    assert EXIT_CODE == ExitCode.CONFIGURATION


def test_no_file_of_the_launcher_hides_a_module_of_python_or_of_a_dependency() -> None:
    # `deepspeed launcher/run.py` puts launcher/ in front of the path, if only for a moment.
    ours = {path.stem for path in (ROOT / "launcher").iterdir()} - {"__init__", "__pycache__"}
    assert "run" in ours
    assert not ours & (sys.stdlib_module_names | packages_distributions().keys())
