"""Checkpoints on disk: published whole or not at all, and never trusted without their checksums."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from sharding import StreamGuards, StreamState
from trainer.checkpoint import CheckpointFolder, CheckpointMeta, CheckpointStore, copy_checkpoint
from trainer.distributed import Ranks
from trainer.errors import CheckpointError

GUARDS = StreamGuards(dataset_id="d", order_version=1, seed=0, lanes=2, window=3, split="train")


def meta(step: int, world_size: int = 1) -> CheckpointMeta:
    return CheckpointMeta(step, world_size, StreamState(1, 16 * step), GUARDS, {"train": {"lr": 0.1}})


def files(step: int, rank: int = 0) -> dict[str, dict[str, Tensor]]:
    return {f"part-{rank}.safetensors": {"numbers": torch.full((4,), float(step))}}


def save_all(store: CheckpointStore, *steps: int) -> list[Path]:
    for step in steps:
        store.save(meta(step), files(step))
    return [folder_of(store).at(step) for step in steps]


def folder_of(store: CheckpointStore) -> CheckpointFolder:
    assert isinstance(store.place, CheckpointFolder)
    return store.place


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(CheckpointFolder(tmp_path / "checkpoints"), keep=3)


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def rename_in_description(folder: Path, name: str) -> None:
    text = (folder / "meta.json").read_text()
    (folder / "meta.json").write_text(text.replace("part-0.safetensors", name))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a flipped byte": lambda folder: flip_a_byte(folder / "part-0.safetensors"),
    "a missing file": lambda folder: (folder / "part-0.safetensors").unlink(),
    "a cut file": lambda folder: (folder / "part-0.safetensors").write_bytes(b"{"),
    "a torn description": lambda folder: (folder / "meta.json").write_text('{"format": "lmm'),
    "no description": lambda folder: (folder / "meta.json").unlink(),
    "a file elsewhere": lambda folder: rename_in_description(folder, "../step-00000001/part-0.safetensors"),
    "another format": lambda folder: (folder / "meta.json").write_text('{"format": "lmmtc-checkpoint/9"}'),
}


def test_what_was_saved_is_found_again(store: CheckpointStore) -> None:
    saved = save_all(store, 5, 20)
    assert store.newest() == saved[1]
    assert CheckpointMeta.read(saved[1]) == meta(20)
    assert load_file(saved[1] / "part-0.safetensors")["numbers"].tolist() == [20.0] * 4


def test_a_new_run_has_no_checkpoint(store: CheckpointStore) -> None:
    assert store.newest() is None


def test_the_newest_few_are_kept(store: CheckpointStore) -> None:
    saved = save_all(store, 1, 2, 3, 10, 11)
    assert sorted(folder_of(store).path.iterdir()) == saved[-3:]


def test_a_copy_with_more_files_is_whole_and_belongs_to_the_same_step(store: CheckpointStore, tmp_path: Path) -> None:
    (saved,) = save_all(store, 5)
    copies = CheckpointStore(CheckpointFolder(tmp_path / "copies"))
    copy_checkpoint(saved, tmp_path / "copies", {"part-1.safetensors": {"numbers": torch.arange(3.0)}})
    copy = copies.newest()
    assert copy is not None
    assert copy.name == saved.name
    assert CheckpointMeta.read(copy) == CheckpointMeta.read(saved)
    assert (copy / "part-0.safetensors").read_bytes() == (saved / "part-0.safetensors").read_bytes()
    assert load_file(copy / "part-1.safetensors")["numbers"].tolist() == [0, 1, 2]
    flip_a_byte(copy / "part-1.safetensors")
    with pytest.raises(CheckpointError, match=r"part-1\.safetensors is missing or does not have the contents"):
        copies.newest()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_passed_over(store: CheckpointStore, damage: Callable[[Path], object]) -> None:
    saved = save_all(store, 1, 2)
    damage(saved[1])
    assert store.newest() == saved[0]


def test_when_none_is_whole_the_error_says_what_is_wrong_with_each(store: CheckpointStore) -> None:
    saved = save_all(store, 1, 2)
    flip_a_byte(saved[0] / "part-0.safetensors")
    (saved[1] / "meta.json").unlink()
    with pytest.raises(CheckpointError) as caught:
        store.newest()
    words = str(caught.value)
    assert words.startswith(f"{store.place}: no checkpoint there is whole: ")
    assert "step-00000001: part-0.safetensors is missing or does not have the contents that were saved" in words
    assert f"step-00000002: {saved[1] / 'meta.json'}: cannot be read" in words


def test_a_save_that_was_cut_off_is_never_read_and_cleared_by_the_next(store: CheckpointStore) -> None:
    saved = save_all(store, 1, 2)
    torn = folder_of(store).path / ".step-00000002.tmp"
    shutil.move(saved[1], torn)
    assert store.newest() == saved[0]
    store.save(meta(3), files(3))
    assert not torn.exists()


def test_a_deletion_that_is_cut_off_leaves_nothing_torn_to_see(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_all(store, 1, 2, 3)

    def cut_off(folder: Path) -> None:
        next(folder.iterdir()).unlink()
        raise OSError("cut off")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", cut_off)
        with pytest.raises(CheckpointError, match="cut off"):
            store.save(meta(4), files(4))
    assert [(step, store.place.damage(step)) for step in store.place.steps()] == [(2, None), (3, None), (4, None)]
    saved = save_all(store, 3, 4, 5)
    assert sorted(folder_of(store).path.iterdir()) == saved


def test_a_step_that_is_saved_again_replaces_its_damaged_self(store: CheckpointStore) -> None:
    saved = save_all(store, 1, 2)
    flip_a_byte(saved[1] / "part-0.safetensors")
    assert save_all(store, 2) == [saved[1]]
    assert store.newest() == saved[1]


def save_with_a_failure(ranks: Ranks, folder: Path, failing_rank: int) -> tuple[str, str]:
    store = CheckpointStore(CheckpointFolder(folder), ranks)
    store.save(meta(1, ranks.world_size), files(1, ranks.rank))
    own = files(2, ranks.rank)
    if ranks.rank == failing_rank:
        own["another.safetensors"] = {"numbers": "not a tensor"}  # type: ignore[dict-item]
    try:
        store.save(meta(2, ranks.world_size), own)
    except CheckpointError as error:
        newest = store.newest()
        assert newest is not None
        return str(error), newest.name
    return "saved", ""


@pytest.mark.ranks
@pytest.mark.parametrize("failing_rank", [0, 1])
def test_a_write_that_fails_on_one_rank_fails_on_all_and_leaves_what_was(
    on_ranks: Callable[..., list[Any]], tmp_path: Path, failing_rank: int
) -> None:
    answers = on_ranks(save_with_a_failure, 2, tmp_path, failing_rank)
    for rank, (words, newest) in enumerate(answers):
        reason = ": " if rank == failing_rank else " on another rank"
        assert words.startswith(f"{tmp_path}: writing the checkpoint failed{reason}")
        assert words.endswith("earlier ones stand")
        assert newest == "step-00000001"


def test_checkpoints_of_round_steps_stay_for_ever(tmp_path: Path) -> None:
    store = CheckpointStore(CheckpointFolder(tmp_path), keep=1, keep_every=20)
    save_all(store, 10, 20, 30, 40, 50)
    assert store.place.steps() == [20, 40, 50]


def test_the_checkpoint_of_a_step_is_found_if_it_is_whole(store: CheckpointStore) -> None:
    first, second = save_all(store, 1, 2)
    assert store.at(1) == first
    with pytest.raises(CheckpointError, match=r"no checkpoint of step 3; there are: 1, 2"):
        store.at(3)
    flip_a_byte(second / "part-0.safetensors")
    with pytest.raises(CheckpointError, match=r"step-00000002: part-0\.safetensors is missing or does not have"):
        store.at(2)
