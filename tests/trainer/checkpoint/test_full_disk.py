"""A disk that is full while a checkpoint is written: what is said, and what is left."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.trainer.checkpoint.test_store import files, meta
from trainer.checkpoint import CheckpointFolder, CheckpointStore
from trainer.errors import CheckpointError

LARGE = {"large.safetensors": {"zeros": torch.zeros(1 << 20)}}


def test_what_was_saved_before_is_whole_and_room_is_enough_to_go_on(small_disk: Path) -> None:
    store = CheckpointStore(CheckpointFolder(small_disk / "checkpoints"), keep=9)
    store.save(meta(1), files(1))
    with pytest.raises(CheckpointError) as caught:
        store.save(meta(2), LARGE)
    assert str(caught.value) == (
        f"{store.place}: writing the checkpoint failed: [Errno 28] No space left on device; earlier ones stand"
    )
    assert store.newest() == small_disk / "checkpoints" / "step-00000001"
    store.save(meta(3), files(3))
    assert store.place.steps() == [1, 3]


LIMITED = """
import resource, sys
from pathlib import Path
from tests.trainer.checkpoint.test_full_disk import LARGE
from tests.trainer.checkpoint.test_store import files, meta
from trainer.checkpoint import CheckpointFolder, CheckpointStore

resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
store = CheckpointStore(CheckpointFolder(Path(sys.argv[1])))
store.save(meta(1), files(1))
try:
    store.save(meta(2), LARGE)
except Exception as error:
    print(error)
"""


@pytest.mark.nightly
@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="this system has no limit for the size of files")
def test_a_limit_on_the_size_of_files_is_told_in_the_same_way(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", LIMITED, tmp_path], capture_output=True, text=True, check=True)
    assert ended.stdout == f"{tmp_path}: writing the checkpoint failed: [Errno 27] File too large; earlier ones stand\n"
    assert CheckpointStore(CheckpointFolder(tmp_path)).newest() == tmp_path / "step-00000001"
