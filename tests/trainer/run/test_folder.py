"""What a run leaves behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sharding import ChunkPlan, DataError, Dataset, Vocabulary, convert
from tests.trainer.components import tiny_config
from trainer.run.folder import RunFolder


def created(folder: Path, dataset: Path, plan: ChunkPlan | None) -> RunFolder:
    config = tiny_config(dataset, Path("encoder"), folder)
    RunFolder(folder).create(config, Dataset.open(dataset), "{}", plan)
    return RunFolder(folder)


def test_everything_is_read_back_without_the_data_set(tmp_path: Path, tiny_dataset: Path) -> None:
    folder = created(tmp_path, tiny_dataset, ChunkPlan(np.array([2, 0, 1]), 2))
    plan, dataset = folder.plan(), Dataset.open(tiny_dataset)
    assert plan is not None
    assert (plan.order.tolist(), plan.size) == ([2, 0, 1], 2)
    assert folder.config() == tiny_config(tiny_dataset, Path("encoder"), tmp_path)
    assert folder.encoder_config() == "{}"
    assert folder.vocabulary().names.to_pylist() == dataset.vocabulary.names.to_pylist()
    assert folder.tokenizer().spec == dataset.manifest.tokenizer
    assert folder.train_records() == 160


def test_a_run_in_id_order_has_no_plan_not_even_that_of_an_earlier_start(tmp_path: Path, tiny_dataset: Path) -> None:
    assert created(tmp_path / "new", tiny_dataset, None).plan() is None
    created(tmp_path / "again", tiny_dataset, ChunkPlan(np.array([2, 0, 1]), 2))
    assert created(tmp_path / "again", tiny_dataset, None).plan() is None


@pytest.fixture
def recounted(tiny_dataset: Path, tokenizer_folder: Path, tmp_path: Path) -> Path:
    """Shard other records with the labels of the tiny data set, so that only their counts differ."""
    record = {"id": "1", "text": "topic 3", "labels": ["label 3"], "split": "train"}
    (tmp_path / "other.jsonl").write_text(json.dumps(record), encoding="utf-8")
    convert(tmp_path / "other.jsonl", tmp_path / "shards", tokenizer_folder, vocabulary=tiny_dataset / "labels.arrow")
    return tmp_path / "shards"


def test_labels_are_the_same_however_often_they_were_counted(
    tmp_path: Path, tiny_dataset: Path, recounted: Path
) -> None:
    folder = created(tmp_path / "run", tiny_dataset, None)
    assert Dataset.open(recounted).vocabulary.counts.tolist() != Dataset.open(tiny_dataset).vocabulary.counts.tolist()
    assert folder.has_labels_of(Dataset.open(tiny_dataset))
    assert folder.has_labels_of(Dataset.open(recounted))


def test_the_same_labels_in_another_order_are_others(tmp_path: Path, tiny_dataset: Path) -> None:
    folder = created(tmp_path / "run", tiny_dataset, None)
    labels = folder.vocabulary()
    backwards = np.arange(len(labels))[::-1]
    Vocabulary(labels.names.take(backwards), labels.texts.take(backwards), labels.counts[backwards]).save(folder.labels)
    assert not folder.has_labels_of(Dataset.open(tiny_dataset))


def files_of(folder: RunFolder) -> dict[str, tuple[int, int]]:
    """Tell files apart that were written anew: a file that takes another's place is another inode."""
    copies = [folder.labels, *folder.tokenizer_folder.rglob("*")]
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in copies}


def test_a_start_leaves_labels_and_tokenizer_that_are_the_same(tmp_path: Path, tiny_dataset: Path) -> None:
    folder = created(tmp_path / "run", tiny_dataset, None)
    before = files_of(folder)
    assert {"labels.arrow", "tokenizer.json"} <= before.keys()
    created(tmp_path / "run", tiny_dataset, None)
    assert files_of(folder) == before


def test_a_start_with_other_labels_leaves_those_that_somebody_has_open(
    tmp_path: Path, tiny_dataset: Path, recounted: Path
) -> None:
    folder = created(tmp_path / "run", tiny_dataset, None)
    mapped, counts = folder.vocabulary(), Dataset.open(tiny_dataset).vocabulary.counts.tolist()
    created(tmp_path / "run", recounted, None)
    assert mapped.counts.tolist() == counts
    assert folder.vocabulary().counts.tolist() == Dataset.open(recounted).vocabulary.counts.tolist() != counts


CUT_OFF = """
import os, shutil, signal, sys
from pathlib import Path
from tests.trainer.run.test_folder import created

def cut_off(source, target):
    content = Path(source).read_bytes()
    with open(target, "wb", buffering=0) as file:
        file.write(content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

shutil.copyfile = cut_off
created(Path(sys.argv[1]), Path(sys.argv[2]), None)
"""


def test_a_start_that_is_killed_while_it_copies_labels_leaves_those_that_were(
    tmp_path: Path, tiny_dataset: Path, recounted: Path
) -> None:
    folder = created(tmp_path / "run", tiny_dataset, None)
    killed = subprocess.run([sys.executable, "-c", CUT_OFF, folder.path, recounted], timeout=200, check=False)
    assert killed.returncode == -9
    assert folder.has_labels_of(Dataset.open(tiny_dataset))
    created(tmp_path / "run", recounted, None)
    assert folder.vocabulary().counts.tolist() == Dataset.open(recounted).vocabulary.counts.tolist()


def test_a_damaged_plan_is_named(tmp_path: Path, tiny_dataset: Path) -> None:
    folder = created(tmp_path, tiny_dataset, None)
    (tmp_path / "model" / "plan.arrow").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"chunk plan .*plan\.arrow: cannot be read"):
        folder.plan()


def test_the_newest_saved_step_is_told_by_names_alone_and_a_torn_save_is_none(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.saved_step() == 0
    for name in ("step-00000040", "step-00000120", ".step-00000160.tmp"):
        (folder.checkpoints / name).mkdir(parents=True)
    assert folder.saved_step() == 120


def test_another_save_of_a_step_is_another_checkpoint(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for step in (40, 120):
        (folder.checkpoints / f"step-{step:08d}").mkdir(parents=True)
    before = dict(folder.saves())
    again = folder.checkpoints / "step-00000120"
    os.utime(again, ns=(0, again.stat().st_mtime_ns + 1))
    after = dict(folder.saves())
    assert (list(before), after[40], after[120] != before[120]) == ([40, 120], before[40], True)


def test_a_run_that_is_done_says_which_and_after_how_many_steps(tmp_path: Path) -> None:
    RunFolder(tmp_path).finish(600, "icd10")
    assert json.loads((tmp_path / "success.json").read_text()) == {"step": 600, "run_id": "icd10"}
