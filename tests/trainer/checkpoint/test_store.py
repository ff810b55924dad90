"""Checkpoints on disk: published whole or not at all, and never trusted without their checksums."""

import errno
import json
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
from trainer.checkpoint import meta as meta_module
from trainer.distributed import Ranks
from trainer.errors import CheckpointError
from trainer.run.folder import RunFolder

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


def describe_otherwise(folder: Path, **changed: object) -> None:
    """Give fields of the description other values; None takes them away."""
    tree = json.loads((folder / "meta.json").read_text()) | changed
    (folder / "meta.json").write_text(json.dumps({key: value for key, value in tree.items() if value is not None}))


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a flipped byte": lambda folder: flip_a_byte(folder / "part-0.safetensors"),
    "a missing file": lambda folder: (folder / "part-0.safetensors").unlink(),
    "a cut file": lambda folder: (folder / "part-0.safetensors").write_bytes(b"{"),
    "a torn description": lambda folder: (folder / "meta.json").write_text('{"format": "lmm'),
    "no description": lambda folder: (folder / "meta.json").unlink(),
    "a file elsewhere": lambda folder: rename_in_description(folder, "../step-00000001/part-0.safetensors"),
    "another format": lambda folder: (folder / "meta.json").write_text('{"format": "lmmtc-checkpoint/9"}'),
    "a description that is a list": lambda folder: (folder / "meta.json").write_text("[]"),
    "a description in another coding": lambda folder: (folder / "meta.json").write_bytes(b"\xff\xfe{"),
    "a description without files": lambda folder: describe_otherwise(folder, files=None),
    "a description without sums": lambda folder: describe_otherwise(folder, files={"part-0.safetensors": {"bytes": 4}}),
    "a description of a file by a word": lambda folder: describe_otherwise(folder, files={"part-0.safetensors": "big"}),
    "a description without a place in the data": lambda folder: describe_otherwise(folder, stream=None),
    "a description of another stream": lambda folder: describe_otherwise(folder, stream={"epochs": 1}),
    "a folder for a description": lambda folder: make_a_folder(folder / "meta.json"),
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


def test_a_file_that_cannot_be_read_is_damaged(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = save_all(store, 1, 2)
    whole = meta_module.xxh3_128

    def on_a_bad_sector(path: Path) -> str:
        if path.parent == saved[1]:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return whole(path)

    monkeypatch.setattr(meta_module, "xxh3_128", on_a_bad_sector)
    passed: list[tuple[int, str]] = []
    assert store.newest(None, lambda *told: passed.append(told)) == saved[0]
    assert passed == [(2, f"[Errno 5] Input/output error: '{saved[1] / 'part-0.safetensors'}'")]


@pytest.mark.parametrize(
    "name",
    [
        "step-00000002.bak",
        "step-00000003-old",
        "step-3",
        "step-000000003",
        "step-",
        "step-0000000\N{ARABIC-INDIC DIGIT FOUR}",
    ],
)
def test_a_folder_with_another_name_is_no_checkpoint(store: CheckpointStore, name: str) -> None:
    saved = save_all(store, 1, 2)
    other = shutil.copytree(saved[1], folder_of(store).path / name)
    (folder_of(store).path / "step-00000009").write_text("a file")
    assert store.place.steps() == [1, 2]
    assert RunFolder(folder_of(store).path.parent).saved_step() == 2
    assert store.newest() == saved[1]
    assert save_all(store, 3, 4, 5, 6)[-1].is_dir()
    assert store.place.steps() == [4, 5, 6]
    assert (other / "meta.json").is_file()


def test_a_step_of_more_than_eight_digits_is_one(store: CheckpointStore) -> None:
    saved = save_all(store, 99_999_999, 100_000_000)
    assert store.place.steps() == [99_999_999, 100_000_000]
    assert store.newest() == saved[1]


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


def newest_on_ranks(ranks: Ranks, folder: Path) -> Path | None:
    return CheckpointStore(CheckpointFolder(folder), ranks).newest()


@pytest.mark.ranks
def test_what_the_first_rank_cannot_parse_all_ranks_pass_over(
    on_ranks: Callable[..., list[Any]], store: CheckpointStore
) -> None:
    saved = save_all(store, 1, 2)
    (saved[1] / "meta.json").write_text("[]")
    assert on_ranks(newest_on_ranks, 2, folder_of(store).path) == [saved[0]] * 2
