"""`lmmtc merge`: what has been added, and under which name the data set goes now."""

import json
import shutil
from pathlib import Path

from sharding import Manifest
from tests.launcher.conftest import Lmmtc


def test_what_is_new_is_told(lmmtc: Lmmtc, tiny_dataset: Path, tokenizer_folder: Path, tmp_path: Path) -> None:
    grown, more = shutil.copytree(tiny_dataset, tmp_path / "grown"), tmp_path / "more"
    records = [{"id": f"new {n}", "split": "train", "text": "new", "labels": ["label 1"]} for n in range(3)]
    (tmp_path / "more.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    lmmtc(
        "shard", tmp_path / "more.jsonl", more, "--tokenizer", tokenizer_folder, "--vocabulary", grown / "labels.arrow"
    )
    old = sum(shard.rows for shard in Manifest.load(grown).splits["train"])
    said = lmmtc("merge", grown, more)
    assert said.code == 0
    assert f"train: {old + 3:,} records in " in said.out
    assert "shards, 3 of them new\n" in said.out
    assert said.out.endswith(f"{grown}: {Manifest.load(grown).dataset_id}\n")


def test_what_does_not_fit_is_refused(lmmtc: Lmmtc, tiny_dataset: Path, tokenizer_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other.jsonl").write_text('{"id": "1", "split": "train", "text": "a", "labels": ["b"]}\n')
    lmmtc("shard", tmp_path / "other.jsonl", tmp_path / "other", "--tokenizer", tokenizer_folder)
    said = lmmtc("merge", tiny_dataset, tmp_path / "other")
    assert said.code == 78
    assert said.err == (
        f"DataError: {tmp_path / 'other'}: has other labels than {tiny_dataset}: convert it with the same options and "
        f"--vocabulary {tiny_dataset / 'labels.arrow'}\n"
    )
