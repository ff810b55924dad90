"""Packages that are there, too old, damaged or missing, by what pip would have written of them."""

from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from launcher.doctor import Finding, check_packages, needs
from launcher.doctor.packages import Needs
from tests.programs import ROOT

PYTHON = SpecifierSet(">=3.11")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder of distributions in front of the path: some are as pip leaves them, one is damaged."""
    for name, line in [("old_one", "Version: 1.2"), ("right", "Version: 2.4+cpu"), ("damaged", "Summary: none")]:
        folder = tmp_path / f"{name}-0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\n{line}\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def look(requirement: str, **tested: str) -> Finding:
    """Check one package."""
    pins = {name: SpecifierSet(pin) for name, pin in tested.items()}
    return list(check_packages(Needs(PYTHON, [Requirement(requirement)], pins)))[-1]


@pytest.mark.usefixtures("installed")
def test_a_package_that_fits_is_fine() -> None:
    assert look("right>=2,<3") == Finding("right", "ok", "2.4+cpu")
    assert look("right>=2", right="==2.4") == Finding("right", "ok", "2.4+cpu")


@pytest.mark.usefixtures("installed")
def test_a_package_that_is_too_old_is_wrong() -> None:
    assert look("old-one>=2") == Finding(
        "old-one", "wrong", "1.2, and >=2 is needed", 'pip install -c constraints.txt "old-one>=2"'
    )


@pytest.mark.usefixtures("installed")
def test_a_package_that_was_not_tested_is_a_warning() -> None:
    assert look("old-one>=1", **{"old-one": "==1.1"}) == Finding(
        "old-one", "warning", "1.2, and ==1.1 was tested", 'pip install -c constraints.txt "old-one>=1"'
    )


@pytest.mark.usefixtures("installed")
def test_a_package_without_a_version_is_wrong() -> None:
    found = look("damaged>=1")
    assert (found.state, found.found) == ("wrong", "None, and >=1 is needed")


def test_a_package_that_is_not_there_is_wrong() -> None:
    assert look("no-such-package>=1") == Finding(
        "no-such-package", "wrong", "not installed", 'pip install -c constraints.txt "no-such-package>=1"'
    )


def test_another_python_is_wrong() -> None:
    found = list(check_packages(Needs(SpecifierSet(">=4"), [])))[-1]
    assert (found.check, found.state, found.advice) == ("python", "wrong", "use Python >=4")


def test_a_clone_says_itself_what_it_needs_and_what_was_tested() -> None:
    read = needs()
    assert read is not None
    names = {canonicalize_name(each.name) for each in read.packages}
    assert {"torch", "deepspeed", "transformers", "pyarrow"} <= names
    assert version("torch") in read.tested["torch"]
    assert not names - read.tested.keys()
    assert "distributed" not in names  # an extra


def test_a_wheel_says_what_it_needs_in_what_pip_has_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "lmmtc-0.dist-info"
    folder.mkdir()
    lines = ("Name: lmmtc", "Version: 0", "Requires-Python: >=3.11", "Requires-Dist: torch>=2")
    extra = 'Requires-Dist: distributed; extra == "dask"'
    (folder / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines, extra, ""]), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert needs(tmp_path) == Needs(PYTHON, [Requirement("torch>=2")])


def test_every_sound_machine_has_packages_that_fit() -> None:
    findings = list(check_packages(needs(ROOT)))
    assert [each for each in findings if each.state == "wrong"] == []
    assert findings[0] == Finding("own packages", "ok", "launcher, trainer and sharding lie side by side")
