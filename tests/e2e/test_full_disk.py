"""Two ranks under `lmmtc launch` that cannot write a checkpoint: how they end, and what is left."""

import shutil
from pathlib import Path

import pytest

from tests.programs import PROGRAMS, end_of, finish, started, write_config
from trainer.checkpoint import damage

pytestmark = [pytest.mark.ranks, pytest.mark.slow]


def test_a_save_that_a_limit_of_the_system_ends_is_a_fault_that_is_said_and_leaves_the_checkpoint_before(
    tmp_path: Path, tiny_dataset: Path, tiny_encoder: Path
) -> None:
    run = tmp_path / "run"
    config = write_config(
        tmp_path / "run.toml",
        run={"folder": run, "threads": 1},
        data={"dataset": tiny_dataset},
        model={"encoder": tiny_encoder, "max_tokens": 24},
        train={"steps": 8, "global_batch": 8, "micro_batch": 4},
        checkpoint={"every_steps": 4},
    )
    launch = (PROGRAMS / "lmmtc", "launch", "--nproc", 2, "--", "--config", config)
    finish(*launch, timeout=200)
    newest = run / "checkpoints" / "step-00000008"
    shutil.rmtree(newest)
    with started("bash", "-c", 'ulimit -f 2048; exec "$@"', "bash", *launch) as running:
        said = end_of(running, code=1, timeout=200)
    where = f"{run / 'checkpoints'}: writing the checkpoint failed"
    assert f"[rank 0] CheckpointError: {where}: [Errno 27] File too large; earlier ones stand\n" in said.err
    assert f"[rank 1] CheckpointError: {where} on another rank; earlier ones stand\n" in said.err
    assert "lmmtc launch: exit code 1: rank " in said.err
    assert not newest.exists()
    assert damage(run / "checkpoints" / "step-00000004") is None
    assert not (run / "success.json").exists()
    finish(*launch, timeout=200)
    assert damage(newest) is None
