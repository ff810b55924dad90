"""Which checkpoints go when one is saved: in a folder, and in a bucket of a real server."""

import errno
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from sharding.remote import open_bucket
from tests.trainer.checkpoint.test_store import files, meta
from trainer.checkpoint import CheckpointFolder, CheckpointStore
from trainer.checkpoint import folder as folder_module
from trainer.checkpoint.bucket import CheckpointBucket
from trainer.checkpoint.meta import read_tree
from trainer.checkpoint.storage import CheckpointStorage

FILE = "part-0.safetensors"


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> CheckpointStorage:
    if request.param == "folder":
        return CheckpointFolder(tmp_path / "checkpoints")
    return CheckpointBucket(open_bucket(request.getfixturevalue("s3")))


def damage(place: CheckpointStorage, step: int) -> None:
    """Take a file away."""
    if isinstance(place, CheckpointFolder):
        return (place.at(step) / FILE).unlink()
    bucket = open_bucket(str(place))
    return bucket.remove([name for name in bucket.sizes() if name.startswith(f"step-{step:08d}") and FILE in name])


def save(store: CheckpointStore, step: int) -> list[int]:
    store.save(meta(step), files(step))
    return store.place.steps()


def resume(place: CheckpointStorage, keep: int, keep_every: int | None = None) -> tuple[CheckpointStore, int]:
    """Start again, and say at which step."""
    store = CheckpointStore(place, keep=keep, keep_every=keep_every)
    folder = store.newest()
    assert folder
    return store, int(load_file(folder / FILE)["numbers"][0])


def test_saves_behind_a_damaged_checkpoint_stay(place: CheckpointStorage) -> None:
    before = CheckpointStore(place, keep=1, keep_every=1000)
    assert [save(before, step) for step in (1000, 1400)][-1] == [1000, 1400]
    damage(place, 1400)
    store, step = resume(place, keep=1, keep_every=1000)
    assert step == 1000
    assert [save(store, step) for step in (1100, 1200)] == [[1000, 1100, 1400], [1000, 1200, 1400]]
    store, step = resume(place, keep=1, keep_every=1000)  # killed here, it has lost nothing that it had saved
    assert step == 1200
    assert [save(store, step) for step in (1400, 1500)] == [[1000, 1400], [1000, 1500]]


def test_a_damaged_checkpoint_takes_no_whole_ones_place(place: CheckpointStorage) -> None:
    before = CheckpointStore(place, keep=2)
    assert [save(before, step) for step in (1200, 1300, 1337)][-1] == [1300, 1337]
    damage(place, 1337)
    store, step = resume(place, keep=2)
    assert step == 1300
    assert [save(store, step) for step in (1400, 1500)] == [[1300, 1400], [1400, 1500]]


def test_what_only_could_not_be_read_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = CheckpointFolder(tmp_path)
    before = CheckpointStore(place, keep=2)
    assert [save(before, step) for step in (200, 300)][-1] == [200, 300]
    # A file system that has a bad moment; none can be made here.
    with monkeypatch.context() as patch:
        patch.setattr(folder_module, "read_tree", partial(stale_at, "step-00000300"))
        store, step = resume(place, keep=2)
    assert step == 200
    assert [save(store, step) for step in (250, 350)] == [[200, 250, 300], [300, 350]]


def stale_at(name: str, folder: Path) -> Any:
    if folder.name == name:
        raise OSError(errno.ESTALE, "Stale file handle")
    return read_tree(folder)


def test_a_step_that_is_saved_again_counts_again(place: CheckpointStorage) -> None:
    before = CheckpointStore(place, keep=2)
    assert [save(before, step) for step in (1, 2)][-1] == [1, 2]
    damage(place, 2)
    store, _ = resume(place, keep=2)
    assert [save(store, step) for step in (2, 3)] == [[1, 2], [2, 3]]
    assert place.damage(2) is None


def test_a_run_that_went_back_keeps_what_it_saves_and_what_lies_ahead(place: CheckpointStorage) -> None:
    before = CheckpointStore(place, keep=2)
    assert [save(before, step) for step in (10, 20)][-1] == [10, 20]
    back = CheckpointStore(place, keep=2)
    assert [save(back, step) for step in (5, 10, 15)] == [[5, 10, 20], [5, 10, 20], [10, 15, 20]]
