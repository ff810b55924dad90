"""What a data set says of itself."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sharding import DataError, Manifest, ManifestError, ShardInfo, TokenizerSpec
from sharding.manifest import LabelsInfo

MANIFEST = Manifest(
    splits={"train": (ShardInfo("train/00000-abc.arrow", 3, 1000, "aa", "bb"),)},
    tokenizer=TokenizerSpec("cc", 100, (1,), (2,), 3, 0, (0, 1, 2, 3)),
    labels=LabelsInfo("labels.arrow", 7, "dd"),
    max_tokens=512,
    skipped_records=1,
).identified()


def rewrite(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))


def test_a_manifest_survives_its_file(tmp_path: Path) -> None:
    MANIFEST.save(tmp_path)
    assert Manifest.load(tmp_path) == MANIFEST


def test_the_id_hashes_everything_but_itself() -> None:
    assert MANIFEST.dataset_id == "sha256:15e5978efdd3728b8a9f23c28ecf08c1129e037677263f4a767bd084346dcc44"
    assert replace(MANIFEST, dataset_id="other").identified() == MANIFEST
    assert replace(MANIFEST, max_tokens=511).identified().dataset_id != MANIFEST.dataset_id


def test_a_changed_manifest_is_refused(tmp_path: Path) -> None:
    MANIFEST.save(tmp_path)
    rewrite(tmp_path, max_tokens=1)
    with pytest.raises(ManifestError, match="dataset_id does not match the content"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize("key", ["format_version", "order_version"])
def test_an_unknown_version_is_refused_by_name(tmp_path: Path, key: str) -> None:
    MANIFEST.save(tmp_path)
    rewrite(tmp_path, **{key: 2})
    with pytest.raises(ManifestError, match=f"{key} = 2: this version of lmmtc reads 1"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize(("content", "message"), [("{", "not JSON"), ("[]", "must be a JSON object")])
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ManifestError, match=message):
        Manifest.load(tmp_path)


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"manifest\.json: no such file: .* is not a converted data set"):
        Manifest.load(tmp_path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "labels.arrow").touch()
    with pytest.raises(ManifestError, match="1 of its files missing, first train/00000-abc"):
        MANIFEST.check_files(tmp_path)


def test_a_manifest_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    outside = replace(MANIFEST, labels=LabelsInfo("../labels.arrow", 7, "dd"))
    with pytest.raises(DataError, match="must be relative"):
        outside.check_files(tmp_path)
