"""`lmmtc checkpoint`: what there is, and whether it is whole."""

import shutil
from pathlib import Path

import pytest

from tests.launcher.conftest import Lmmtc


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "run")


def test_checkpoints_are_listed_with_how_far_they_are(lmmtc: Lmmtc, run: Path) -> None:
    said = lmmtc("checkpoint", "list", run)
    assert said.code == 0
    [row] = [line.split() for line in said.out.splitlines() if "UTC" in line]
    assert [row[place] for place in (1, -8, -6, -4)] == ["12", "1", "2", "64"]


def test_whole_checkpoints_are_said_to_be(lmmtc: Lmmtc, run: Path) -> None:
    said = lmmtc("checkpoint", "verify", run)
    assert (said.code, said.out) == (0, f"{run}: 1 checkpoints, all whole\n")


def test_every_damaged_checkpoint_is_named(lmmtc: Lmmtc, run: Path) -> None:
    folder = run / "checkpoints" / "step-00000012"
    shutil.copytree(folder, folder.with_name("step-00000007"))
    (folder / "dense.safetensors").write_bytes(b"cut")
    said = lmmtc("checkpoint", "verify", run)
    assert said.code == 1
    assert said.err == (
        f"CheckpointError: {run}: 1 of 2 are damaged\n"
        "step-00000012: dense.safetensors is missing or does not have the contents that were saved\n"
    )


def test_a_checkpoint_of_another_step_is_exported(lmmtc: Lmmtc, run: Path, tmp_path: Path) -> None:
    newest = run / "checkpoints" / "step-00000012"
    shutil.copytree(newest, newest.with_name("step-00000099"))
    said = lmmtc("export", run, tmp_path / "out", "--step", 12)
    assert said.out.startswith(f"{tmp_path / 'out'}: step 12, ")
    said = lmmtc("export", run, tmp_path / "other", "--step", 13)
    assert said.code == 1
    assert said.err.endswith("checkpoints: no checkpoint of step 13; there are: 12, 99\n")


@pytest.mark.parametrize("command", ["list", "verify"])
def test_a_run_without_a_checkpoint_is_refused(lmmtc: Lmmtc, tmp_path: Path, command: str) -> None:
    said = lmmtc("checkpoint", command, tmp_path)
    assert (said.code, said.err) == (1, f"CheckpointError: {tmp_path}: has no checkpoint\n")
