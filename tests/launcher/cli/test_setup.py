"""`lmmtc setup`: a build that was killed blocks nobody, and nobody builds beside another process."""

from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock, Timeout

from tests.launcher.conftest import Lmmtc

OP = "deepspeed_shm_comm"


@pytest.fixture
def build_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the folder of a build that was killed: torch's lock is still there."""
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    folder = tmp_path / OP
    folder.mkdir()
    (folder / "lock").touch()
    (folder / "shm.o").touch()
    return folder


def test_a_lock_that_a_killed_build_left_is_removed_and_nothing_else(build_folder: Path) -> None:
    from trainer.engine.ops import remove_stale_lock

    assert remove_stale_lock(build_folder)
    assert not remove_stale_lock(build_folder)
    assert [path.name for path in build_folder.iterdir()] == ["shm.o"]


def test_the_op_is_built_without_the_stale_lock_while_others_wait(
    lmmtc: Lmmtc, build_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deepspeed.accelerator import get_accelerator

    seen: list[str] = []

    def load(*_: Any, **__: Any) -> None:
        seen.extend(path.name for path in build_folder.iterdir())
        with pytest.raises(Timeout):
            FileLock(build_folder.parent / f"{OP}.lmmtc.lock").acquire(timeout=0)

    accelerator = get_accelerator()
    assert accelerator is not None
    monkeypatch.setattr(type(accelerator.create_op_builder("ShareMemCommBuilder")), "load", load)
    assert lmmtc("setup").code == 0
    assert seen == ["shm.o"]
    FileLock(build_folder.parent / f"{OP}.lmmtc.lock").acquire(timeout=0)
