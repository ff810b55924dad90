"""Packages that break in every way that packages break in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from launcher.doctor import Finding, check_imports, imports

Package = Callable[[str, str], None]

TORCH = """
class cuda:
    is_available = lambda: bool({gpus})
    device_count = lambda: len({gpus})
    get_device_name = lambda number: {gpus}[number]

class version:
    cuda, hip = {cuda!r}, None
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """Make packages that do as they are told when they are imported."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def make(name: str, program: str) -> None:
        (tmp_path / f"{name}.py").write_text(program, encoding="utf-8")

    return make


def test_what_breaks_is_named_and_does_not_hide_what_comes_later(package: Package) -> None:
    package("sound", "print('hello')")
    package("broken", "raise ImportError('libnothing.so.3: cannot open shared object file')")
    package("deadly", "import os; os.abort()")
    package("later", "raise ValueError('two\\nlines')")
    findings = list(check_imports(["sound", "broken", "deadly", "no_such", "later"]))
    assert [(each.check, each.state, each.found) for each in findings] == [
        ("import broken", "wrong", "ImportError: libnothing.so.3: cannot open shared object file"),
        ("import sound", "ok", "can be imported"),
        ("import deadly", "wrong", "ends the process, exit code -6"),
        ("import no_such", "wrong", "ModuleNotFoundError: No module named 'no_such'"),
        ("import later", "wrong", "ValueError: two"),
    ]
    assert findings[0].advice == "pip install --force-reinstall -c constraints.txt broken"


def test_a_package_that_never_ends_its_import_is_named(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "_SECONDS", 3.0)
    package("endless", "import time; time.sleep(100)")
    assert [(each.check, each.found) for each in check_imports(["json", "endless"])] == [
        ("import json", "can be imported"),
        ("import endless", "takes longer than 3 seconds"),
    ]


def accelerators(package: Package, devices: Path, **built: object) -> Finding:
    package("torch", TORCH.format(**built))
    return list(check_imports(["torch"], devices))[-1]


def test_accelerators_are_named(package: Package, tmp_path: Path) -> None:
    assert accelerators(package, tmp_path, gpus=["H100", "H100"], cuda="12.8") == Finding(
        "accelerators", "ok", "H100, H100; torch is built for CUDA 12.8"
    )


def test_a_machine_without_any_trains_on_the_cpu(package: Package, tmp_path: Path) -> None:
    found = accelerators(package, tmp_path, gpus=[], cuda=None)
    assert found == Finding("accelerators", "ok", "none: training uses the CPU; torch is built for the CPU")


def test_a_gpu_that_torch_does_not_see_is_a_warning(package: Package, tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl"):
        (tmp_path / name).touch()
    found = accelerators(package, tmp_path, gpus=[], cuda=None)
    assert found == Finding(
        "accelerators",
        "warning",
        "torch sees none of nvidia0, nvidia1; torch is built for the CPU",
        "install the build of torch for this driver, see README.md, and check CUDA_VISIBLE_DEVICES",
    )
