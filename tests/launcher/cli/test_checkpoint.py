"""`lmmtc checkpoint`: what there is, and whether it is whole."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file

from sharding.remote import open_bucket
from tests.launcher.conftest import Lmmtc
from tests.s3_server import BUCKET, environment, s3_server
from trainer.checkpoint import CheckpointMeta, CheckpointStore
from trainer.checkpoint.bucket import CheckpointBucket


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


def test_a_checkpoint_whose_description_is_damaged_hides_no_other_in_the_list(lmmtc: Lmmtc, run: Path) -> None:
    folder = run / "checkpoints" / "step-00000012"
    shutil.copytree(folder, folder.with_name("step-00000007"))
    shutil.copytree(folder, folder.with_name("step-00000012.bak"))
    (folder.with_name("step-00000007") / "meta.json").write_text("[]")
    said = lmmtc("checkpoint", "list", run)
    assert said.code == 0
    damaged, whole = (line for line in said.out.splitlines() if "UTC" in line or "damaged" in line)
    assert damaged.replace("│", "").split() == ["7", "damaged,", "see", "verify"]
    assert whole.split()[1] == "12"
    said = lmmtc("checkpoint", "verify", run)
    assert said.err.startswith(f"CheckpointError: {run}: 1 of 2 are damaged\nstep-00000007: ")


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


@pytest.fixture
def in_a_bucket(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """Move the checkpoints of a run to a bucket, and name its address."""
    with s3_server(tmp_path) as endpoint:
        for name, value in environment(endpoint).items():
            monkeypatch.setenv(name, value)
        url = f"s3://{BUCKET}/run"
        local = run / "checkpoints" / "step-00000012"
        tensors = {path.name: load_file(path) for path in local.glob("*.safetensors")}
        CheckpointStore(CheckpointBucket(open_bucket(url))).save(CheckpointMeta.read(local), tensors)
        shutil.rmtree(run / "checkpoints")
        config = json.loads((run / "config.json").read_text())
        config["checkpoint"]["store"] = url
        (run / "config.json").write_text(json.dumps(config))
        yield run, url


def test_a_run_whose_checkpoints_are_in_a_bucket_is_looked_at_exported_and_extended_like_any_other(
    lmmtc: Lmmtc, in_a_bucket: tuple[Path, str], tmp_path: Path
) -> None:
    run, url = in_a_bucket
    [row] = [line.split() for line in lmmtc("checkpoint", "list", run).out.splitlines() if "UTC" in line]
    assert [row[place] for place in (1, -8, -6, -4)] == ["12", "1", "2", "64"]
    assert lmmtc("checkpoint", "verify", run).out == f"{run}: 1 checkpoints, all whole\n"
    said = lmmtc("export", run, tmp_path / "out")
    assert said.out.startswith(f"{tmp_path / 'out'}: step 12, ")
    (tmp_path / "labels.tsv").write_text("a new label\twhat it means\n")
    assert lmmtc("extend", run, tmp_path / "labels.tsv", tmp_path / "extended").code == 0
    assert lmmtc("checkpoint", "verify", tmp_path / "extended").out.endswith(": 1 checkpoints, all whole\n")
    assert json.loads((tmp_path / "extended" / "config.json").read_text())["checkpoint"]["store"] is None
    bucket = open_bucket(url)
    bucket.remove([name for name in bucket.sizes() if name.endswith("/dense.safetensors")])
    wrong = "dense.safetensors is missing or does not have the contents that were saved"
    said = lmmtc("checkpoint", "verify", run)
    assert said.err == f"CheckpointError: {run}: 1 of 1 are damaged\nstep-00000012: {wrong}\n"
    said = lmmtc("export", run, tmp_path / "again")
    assert (said.code, said.err) == (
        1,
        f"CheckpointError: {url}: no checkpoint there is whole: step-00000012: {wrong}\n",
    )
