"""What is not as it was left: a damaged checkpoint, a full disk, an old lock, another configuration."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.launching import end_in_time, events, folder, kinds, launched, wait_until, whole_checkpoint
from tests.programs import end_of
from trainer.checkpoint import damage

pytestmark = [pytest.mark.ranks, pytest.mark.slow]

SHORT = ("--set", "train.steps=6")


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def tensors(checkpoint: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in checkpoint.glob("*.safetensors")}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("spoil", [flip, truncate])
def test_a_run_whose_newest_checkpoint_is_damaged_says_so_and_goes_on_from_the_one_before(
    config: Path, spoil: Callable[[Path], None]
) -> None:
    with launched(config, *SHORT) as running:
        end_of(running, timeout=200)
    newest = folder(config).checkpoints / "step-00000006"
    wanted = tensors(newest)
    spoil(newest / "dense.safetensors")
    problem = damage(newest)
    with launched(config, *SHORT) as running:
        end_of(running, timeout=200)
    (passed,) = [event for event in events(config) if event["event"] == "checkpoint_passed_over"]
    assert passed["step"] == 6
    assert problem
    assert problem in passed["reason"]
    assert [event["step"] for event in events(config) if event["event"] == "start"] == [0, 4]
    assert whole_checkpoint(config) == 6
    assert tensors(newest) == wanted


def mount(place: Path, options: str) -> bool:
    """Mount a disk in memory, which takes root, or make it larger."""
    program = shutil.which("mount")
    words = ("-t", "tmpfs", "-o", options, "tmpfs", place)
    return program is not None and subprocess.run((program, *words), check=False).returncode == 0


@pytest.fixture
def tiny_disk(config: Path) -> Iterator[Path]:
    """Mount a disk for the checkpoints that has room for two of 12 MB, and not for a third one."""
    place = folder(config).checkpoints
    place.mkdir(parents=True)
    if not mount(place, "size=32m"):
        pytest.skip("mounting a disk is refused here: it takes root")
    yield place
    subprocess.run((shutil.which("umount") or "umount", "--lazy", place), check=True)


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_a_disk_that_is_full_ends_the_run_and_leaves_what_was_saved(config: Path, tiny_disk: Path) -> None:
    with launched(config) as running:
        said = end_in_time(running, 1, 120)
    assert "] CheckpointError: " in said.err
    assert f"{tiny_disk}: writing the checkpoint failed: " in said.err
    assert "No space left on device" in said.err
    assert "earlier ones stand\n" in said.err
    assert said.err.splitlines()[-1].startswith("lmmtc train: exit code 1: rank ")
    saved = whole_checkpoint(config)
    assert saved == 4
    assert mount(tiny_disk, "remount,size=128m")
    with launched(config, "--set", "checkpoint.every_steps=50") as running:
        end_of(running, timeout=200)
    assert [event["step"] for event in events(config) if event["event"] == "start"] == [0, saved]
    assert not list(tiny_disk.glob(".*"))


@pytest.mark.nightly
@pytest.mark.usefixtures("on_ranks")  # which builds what is copied here
def test_a_lock_that_a_killed_build_left_holds_nobody_up(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch.utils.cpp_extension import _get_build_directory

    built = Path(_get_build_directory("deepspeed_shm_comm", verbose=False))
    copy = shutil.copytree(built, tmp_path / "extensions" / built.name)
    (copy / "lock").touch()
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(copy.parent))
    with launched(config, *SHORT) as running:
        end_of(running, timeout=250)
    assert not (copy / "lock").exists()


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_a_run_goes_on_under_settings_that_leave_its_numbers_alone_and_under_no_others(config: Path) -> None:
    steps = ("--set", "train.steps=20")
    with launched(config, *steps) as running:
        wait_until(lambda: kinds(config).count("checkpoint"), running)
        running.terminate()
        end_of(running, code=75, timeout=120)
    stopped_at, before = whole_checkpoint(config), kinds(config)
    with launched(config, *steps, "--set", "train.lr=0.5") as running:
        said = end_of(running, code=78, timeout=120)
    refusal = f"ConfigError: train.lr = 0.5: {folder(config).checkpoints}/step-{stopped_at:08d} was saved with 0.001; "
    assert f"{refusal}restore the old value, or choose a new run.folder\n" in said.err
    assert (whole_checkpoint(config), kinds(config)) == (stopped_at, before)
    others = ("train.zero_stage=2", "train.micro_batch=2", "evaluation.every_steps=50", "run.record_log=true")
    with launched(config, *steps, *(word for other in others for word in ("--set", other))) as running:
        end_of(running, timeout=200)
    assert [event["step"] for event in events(config) if event["event"] == "start"] == [0, stopped_at]
    assert whole_checkpoint(config) == 20
    assert len(list(folder(config).records.glob("start-00000/rank-*.jsonl"))) == 2
