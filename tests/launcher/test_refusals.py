"""Bad input of the label side: what the user reads, the exit code, and what stays on disk."""

import json
import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from sharding import Dataset, convert
from sharding.formats import ArrowShard, write_shard
from tests.launcher.conftest import Lmmtc
from tests.programs import ROOT, finish

pytestmark = pytest.mark.ranks

START = (sys.executable, ROOT / "launcher" / "run.py", "--config")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def with_a_label_too_many(dataset: Path, copy: Path, split: str) -> Path:
    """Copy a data set and let each shard of a split hold label 48, which is none; sizes stay as they were."""
    shutil.copytree(dataset, copy)
    for shard in Dataset.open(copy).manifest.splits[split]:
        info = shard.files["arrow"]
        rows = ArrowShard.open(copy / info.path).rows
        labels = rows["labels"].flatten().to_numpy().copy()
        labels[:] = 48
        lists = pa.ListArray.from_arrays(rows["labels"].offsets, pa.array(labels))
        (copy / info.path).unlink()  # it is mapped
        write_shard(copy / info.path, rows.set_column(rows.schema.get_field_index("labels"), "labels", lists))
    return copy


def test_rows_that_do_not_fit_are_refused_before_they_are_read(
    lmmtc: Lmmtc, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.labels.memory.free_on_host", lambda: 0)
    monkeypatch.setattr("trainer.inference.loading.load_rows", None)
    said = lmmtc("evaluate", trained)
    assert said.code == 78
    assert said.err == (
        "ConfigError: label rows: 48 labels x 32 in fp32 take 0.0 GB, and 0.0 GB of host memory are free: "
        "use a machine with more memory, or ranks on more machines\n"
    )


def test_training_ends_at_a_label_that_is_none_and_keeps_what_it_had(
    trained: Path, tiny_dataset: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    shutil.rmtree(run / "checkpoints")
    broken = with_a_label_too_many(tiny_dataset, tmp_path / "broken", "train")
    paths = (f"--set=run.folder={run}", f"--set=data.dataset={broken}")
    said = finish(*START, trained.with_name("run.toml"), *paths, code=78, timeout=200)
    last = said.err.splitlines()[-1]
    assert last.startswith(f"CorruptShardError: shard {broken / 'train'}/0000")
    assert last.endswith(": column 'labels' holds 48: must be below 48: see `lmmtc verify`, convert again")
    assert not (run / "checkpoints").exists()


def test_evaluation_ends_at_a_label_that_is_none_and_writes_nothing(
    lmmtc: Lmmtc, trained: Path, tiny_dataset: Path, tmp_path: Path
) -> None:
    broken = with_a_label_too_many(tiny_dataset, tmp_path / "broken", "dev")
    before = contents(trained)
    said = lmmtc("evaluate", trained, "--dataset", broken, "--split", "train")
    assert said.code == 78
    assert said.err.startswith(f"CorruptShardError: shard {broken / 'dev'}/0000")
    assert contents(trained) == before


def test_a_run_does_not_go_on_with_other_labels(
    trained: Path, tiny_dataset: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    corpus = tiny_dataset.with_name("tiny.jsonl")
    more = {"id": "more", "text": "topic 99", "labels": ["label 99"], "split": "train"}
    (tmp_path / "more.jsonl").write_text(f"{corpus.read_text()}{json.dumps(more)}\n", encoding="utf-8")
    convert(tmp_path / "more.jsonl", tmp_path / "more", tokenizer_folder, shard_rows=32)
    before = contents(trained)
    said = finish(
        *START, trained.with_name("run.toml"), f"--set=data.dataset={tmp_path / 'more'}", code=78, timeout=200
    )
    labels = trained / "model" / "labels.arrow"
    assert said.err.splitlines()[-1] == (
        f"DataError: data.dataset = {tmp_path / 'more'}: its 49 labels are not the 48 labels of {labels}, whose rows "
        f"this run has trained: shard the same corpus again with `lmmtc shard --vocabulary {labels}`, or begin a new "
        f"run with what was learnt: another run.folder, and run.init_from = '{trained}'"
    )
    assert contents(trained) == before


def test_a_run_does_not_go_on_with_other_records_of_the_same_labels(
    trained: Path, tiny_dataset: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    corpus = tiny_dataset.with_name("tiny.jsonl")
    labels = trained / "model" / "labels.arrow"
    lines = corpus.read_text().splitlines(keepends=True)[1:]
    (tmp_path / "fewer.jsonl").write_text("".join(lines), encoding="utf-8")
    convert(tmp_path / "fewer.jsonl", tmp_path / "fewer", tokenizer_folder, vocabulary=labels)
    before = contents(trained)
    path = f"--set=data.dataset={tmp_path / 'fewer'}"
    said = finish(*START, trained.with_name("run.toml"), path, code=78, timeout=200)
    last = said.err.splitlines()[-1]
    assert last.startswith("StreamMismatchError: stream dataset_id = 'sha256:")
    assert last.endswith(
        "or start from a fresh state: begin a new run with what was learnt: another run.folder, and "
        f"run.init_from = '{trained}'"
    )
    assert contents(trained) == before
