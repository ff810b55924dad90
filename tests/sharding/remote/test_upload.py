"""What an upload copies and what it leaves; the store is a folder."""

import json
import shutil
from pathlib import Path

import pytest

from sharding import Dataset, ManifestError, convert, verify
from sharding.remote import upload


def silent(_done: int, _total: int, _what: str) -> None:
    pass


def stop_before_the_manifest(done: int, total: int, _what: str) -> None:
    if done == total:
        raise KeyboardInterrupt


def test_what_an_upload_that_was_given_up_has_left_is_not_taken_for_files_of_another_data_set(
    dataset: Dataset, tmp_path: Path, tokenizer_folder: Path
) -> None:
    """Their labels differ in nothing but counts, and so their files have the same name and size."""
    record = {"id": "1", "split": "train", "text": "one", "labels": ["ends in 1"]}
    (tmp_path / "one.jsonl").write_text(json.dumps(record) + "\n")
    convert(tmp_path / "one.jsonl", tmp_path / "one", tokenizer_folder, vocabulary=dataset.path / "labels.arrow")
    with pytest.raises(KeyboardInterrupt):
        upload(tmp_path / "one", str(tmp_path / "there"), stop_before_the_manifest)
    upload(dataset.path, str(tmp_path / "there"), silent)
    assert verify(tmp_path / "there").problems == ()


def test_a_data_set_that_lacks_a_file_is_not_uploaded(dataset: Dataset, tmp_path: Path) -> None:
    folder = shutil.copytree(dataset.path, tmp_path / "dataset")
    (folder / dataset.manifest.splits["train"][3].index.path).unlink()
    with pytest.raises(ManifestError, match=r"1 of its files missing, first train/00003-.*\.index\.arrow"):
        upload(folder, str(tmp_path / "there"), silent)
    assert not (tmp_path / "there").exists()
