"""Checkpoints in a bucket of a real server: published whole or not at all, by one run, and fetched in part."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from sharding import DataError
from sharding.remote import Bucket, open_bucket
from tests.trainer.checkpoint.test_store import meta
from trainer.checkpoint import CheckpointMeta, CheckpointStore
from trainer.checkpoint.bucket import CheckpointBucket
from trainer.distributed import ONE_RANK, Ranks
from trainer.errors import CheckpointError
from trainer.labels import RowRange

OnRanks = Callable[..., list[Any]]

ROWS = 48


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let nothing else be in TMPDIR."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def store_at(url: str, ranks: Ranks = ONE_RANK, **keep: int) -> CheckpointStore:
    return CheckpointStore(CheckpointBucket(open_bucket(url)), ranks, **keep)


def files(step: int, ranks: Ranks = ONE_RANK) -> dict[str, dict[str, Tensor]]:
    """Make what a rank saves; numbers tell the step."""
    own = RowRange.of_rank(ROWS, ranks.rank, ranks.world_size)
    dense = {"dense.safetensors": {"numbers": torch.full((4,), float(step))}}
    return {
        f"rows-{own.start:010d}-{own.stop:010d}.safetensors": {"vectors": torch.full((len(own), 2), float(step))},
        f"random-{ranks.rank:05d}.safetensors": {"cpu": torch.arange(5).to(torch.uint8)},
    } | (dense if ranks.is_first else {})


def save_all(store: CheckpointStore, *steps: int) -> None:
    for step in steps:
        store.save(meta(step, store.ranks.world_size), files(step, store.ranks))


def newest_step(store: CheckpointStore) -> int | None:
    folder = store.newest()
    return folder and CheckpointMeta.read(folder).step


def object_of(bucket: Bucket, step: int, name: str) -> str:
    [found] = [each for each in bucket.sizes() if each.startswith(f"step-{step:08d}-") and each.endswith(f"/{name}")]
    return found


def overwrite(bucket: Bucket, name: str, content: bytes) -> None:
    found = bucket.get(name)
    assert found
    assert bucket.swap(name, content, found[1])


def flip_a_byte(bucket: Bucket, name: str) -> None:
    content = bytearray(bucket.read(name, 0, bucket.size(name)))
    content[-1] ^= 1
    overwrite(bucket, name, bytes(content))


DAMAGES: dict[str, Callable[[Bucket], object]] = {
    "a flipped byte": lambda bucket: flip_a_byte(bucket, object_of(bucket, 2, "dense.safetensors")),
    "a missing file": lambda bucket: bucket.remove([object_of(bucket, 2, "dense.safetensors")]),
    "a cut file": lambda bucket: overwrite(bucket, object_of(bucket, 2, "dense.safetensors"), b"{"),
    "another description": lambda bucket: flip_a_byte(bucket, object_of(bucket, 2, "meta.json")),
    "no description": lambda bucket: bucket.remove([object_of(bucket, 2, "meta.json")]),
}


def test_what_was_saved_is_found_again_and_forgotten_on_demand(s3: str, scratch: Path) -> None:
    store = store_at(s3)
    assert store.newest() is None
    save_all(store, 5, 20)
    folder = store_at(s3).newest()
    assert folder is None or not folder.exists()  # its store is gone, and what it had fetched
    store = store_at(s3)
    folder = store.newest()
    assert folder
    assert folder.name == "step-00000020"
    assert CheckpointMeta.read(folder) == meta(20)
    assert load_file(folder / "dense.safetensors")["numbers"].tolist() == [20.0] * 4
    at_five = store.at(5)
    assert load_file(at_five / "dense.safetensors")["numbers"].tolist() == [5.0] * 4
    store.release()
    assert list(scratch.iterdir()) == []
    with pytest.raises(CheckpointError, match=f"^{s3}: no checkpoint of step 6; there are: 5, 20$"):
        store.at(6)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_and_that_is_said(s3: str, damage: Callable[[Bucket], object]) -> None:
    save_all(store_at(s3), 1, 2)
    damage(open_bucket(s3))
    passed: list[tuple[int, str]] = []
    folder = store_at(s3).newest(None, lambda *told: passed.append(told))
    assert folder
    assert folder.name == "step-00000001"
    [(step, reason)] = passed
    assert step == 2
    assert reason.endswith("is missing or does not have the contents that were saved")
    problem = store_at(s3).place.damage(2)
    assert problem == reason
    assert store_at(s3).place.damage(1) is None
    store = store_at(s3)
    assert newest_step(store) == 1
    save_all(store, 2)
    assert newest_step(store) == 2


def test_when_none_is_whole_the_error_says_what_is_wrong_with_each(s3: str) -> None:
    save_all(store_at(s3), 1, 2)
    for step in (1, 2):
        open_bucket(s3).remove([object_of(open_bucket(s3), step, "dense.safetensors")])
    with pytest.raises(CheckpointError) as caught:
        store_at(s3).newest()
    wrong = "dense.safetensors is missing or does not have the contents that were saved"
    assert str(caught.value) == (f"{s3}: no checkpoint there is whole: step-00000002: {wrong}; step-00000001: {wrong}")


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"format": "another"}', b'{"format": "lmmtc-latest/1", "checkpoints": [{"step": 1}]}']
)
def test_a_torn_list_of_checkpoints_is_an_error_that_names_it(s3: str, content: bytes) -> None:
    save_all(store_at(s3), 1)
    overwrite(open_bucket(s3), "latest", content)
    with pytest.raises(CheckpointError, match=f"^{s3}/latest: (cannot be read|format 'another', this version reads)"):
        store_at(s3).newest()


def test_names_in_a_description_cannot_leave_the_scratch_folder(s3: str) -> None:
    save_all(store_at(s3), 1)
    bucket = open_bucket(s3)
    name = object_of(bucket, 1, "meta.json")
    found = bucket.get(name)
    assert found
    bucket.remove([name])
    spoilt = found[0].replace(b'"dense.safetensors"', b'"../../escaped"')
    bucket.swap(name, spoilt, None)
    assert "meta.json is missing or does not have" in str(store_at(s3).place.damage(1))


CUT_OFF = """
import os, signal, sys, torch
from sharding.remote import open_bucket
from tests.trainer.checkpoint.test_store import meta
from tests.trainer.components import tiny_config
from tests.trainer.training.test_loop import run as train
from trainer.checkpoint import CheckpointStore
from trainer.checkpoint.bucket import CheckpointBucket

store = CheckpointStore(CheckpointBucket(open_bucket(sys.argv[1])))
store.newest()
content = {str(number): torch.zeros(8 << 20) for number in range(4)}
save = store.begin(meta(2), {f"{name}.safetensors": {"zeros": zeros} for name, zeros in content.items()})
while len(open_bucket(sys.argv[1]).sizes()) < 4 + int(sys.argv[2]):
    pass
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_in_the_middle_of_an_upload_leaves_the_one_before(s3: str) -> None:
    save_all(store_at(s3), 1)
    there = len(open_bucket(s3).sizes())
    command = [sys.executable, "-c", CUT_OFF, s3, str(there - 3)]
    assert subprocess.run(command, timeout=200, check=False).returncode == -9
    assert len(open_bucket(s3).sizes()) > there
    store = store_at(s3)
    assert newest_step(store) == 1
    save_all(store, 3)
    assert len(open_bucket(s3).sizes()) == 2 * there - 1  # of `latest` there is one


def test_the_newest_few_and_those_of_round_steps_are_kept_and_nothing_else_is_touched(s3: str) -> None:
    bucket = open_bucket(s3)
    others = {"step-00000010", "notes/step-00000010-00000000", "step-00000010-old/dense.safetensors"}
    for name in others:
        bucket.swap(name, b"not a checkpoint's", None)
    store = store_at(s3, keep=1, keep_every=20)
    save_all(store, 10, 20, 30, 40, 50)
    assert store.place.steps() == [20, 40, 50]
    names = set(bucket.sizes())
    assert others < names
    held = {"dense.safetensors", "rows-0000000000-0000000048.safetensors", "random-00000.safetensors", "meta.json"}
    assert {name.split("/")[1] for name in names - others - {"latest"}} == held
    assert len(names - others) == 3 * 4 + 1


def test_of_two_runs_that_save_at_one_address_the_second_is_told_and_the_first_stays_whole(s3: str) -> None:
    one, other = store_at(s3), store_at(s3)
    assert one.newest() is None
    assert other.newest() is None
    under_way = other.begin(meta(1), files(-1))
    save_all(one, 1)
    with pytest.raises(CheckpointError) as caught:
        under_way.done(wait_for_it=True)
    assert str(caught.value) == (
        f"{s3}: publishing the checkpoint failed: {s3}/latest: another run has published a checkpoint here since this "
        "run last looked: give each run a checkpoint.store of its own; earlier ones stand"
    )
    with pytest.raises(CheckpointError, match=r"beginning the checkpoint failed: .* another run has published"):
        save_all(other, 2)
    assert store_at(s3).place.damage(1) is None
    folder = one.newest()
    assert folder
    assert load_file(folder / "dense.safetensors")["numbers"].tolist() == [1.0] * 4
    save_all(one, 2)
    assert one.place.steps() == [1, 2]


def test_a_bucket_that_refuses_fails_the_save_and_leaves_what_was(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_at(s3)
    save_all(store, 1)
    with monkeypatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        with pytest.raises(
            CheckpointError, match=r"beginning the checkpoint failed: .*: access denied: .*; earlier ones"
        ):
            save_all(store_at(s3), 2)
    assert newest_step(store) == 1


def test_a_scratch_folder_without_room_is_named_and_not_taken_for_damage(
    s3: str, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    save_all(store_at(s3), 1)
    store = store_at(s3)
    store.save(meta(2), {"dense.safetensors": {"zeros": torch.zeros(1 << 20)}})
    with pytest.raises(
        DataError, match=r"cannot take 4,194,\d+ bytes of s3://.*: No space left on device: let TMPDIR name"
    ):
        store.newest()


def test_the_list_of_checkpoints_says_of_each_where_it_is_and_what_its_description_sums_to(s3: str) -> None:
    save_all(store_at(s3), 1, 2)
    found = open_bucket(s3).get("latest")
    assert found
    listed = json.loads(found[0])["checkpoints"]
    assert [each["step"] for each in listed] == [1, 2]
    assert {f"{each['folder']}/meta.json" for each in listed} <= set(open_bucket(s3).sizes())
    saved = store_at(s3).place.describe(2)
    assert (saved.meta, saved.bytes > 0, saved.at.isoformat()) == (meta(2), True, listed[1]["at"])
