"""What a data set says of itself."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from sharding import DataError, FileInfo, Manifest, ManifestError, ShardInfo, TokenizerSpec
from sharding.layout.manifest import LabelsInfo, _dataset_id

ARROW = FileInfo("train/00000-abc.arrow", 1000, "aa", "bb")
TAR = FileInfo("train/00000-def.tar", 2000, "ee", "ff")
SHARD = ShardInfo(3, 30, {"arrow": ARROW}, FileInfo("train/00000-0.index.arrow", 100, "11", "22"))
BOTH = replace(SHARD, files={"webdataset": TAR, "arrow": ARROW})

MANIFEST = Manifest(
    splits={"train": (SHARD,)},
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
    assert MANIFEST.dataset_id == "sha256:ca9f252f4ab26f4b111e1edd2ceb14a517088a93f55157890029855a9cf3329c"
    assert replace(MANIFEST, dataset_id="other").identified() == MANIFEST
    assert replace(MANIFEST, max_tokens=511).identified().dataset_id != MANIFEST.dataset_id


def test_a_changed_manifest_is_refused(tmp_path: Path) -> None:
    MANIFEST.save(tmp_path)
    rewrite(tmp_path, max_tokens=1)
    with pytest.raises(ManifestError, match="dataset_id does not match the content"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize(
    "changes", [{"tokenizer": {}}, {"splits": []}, {"splits": {"train": [{"files": {}}]}}, {"labels": None}, {"new": 1}]
)
def test_a_manifest_with_other_parts_is_refused_even_if_its_id_is_right(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    content = json.loads(json.dumps(asdict(MANIFEST))) | changes
    (tmp_path / "manifest.json").write_text(json.dumps(content | {"dataset_id": _dataset_id(content)}))
    with pytest.raises(ManifestError, match=r"manifest\.json: has other parts than a manifest of format_version 2"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize("key", ["format_version", "order_version"])
def test_an_unknown_version_is_refused_by_name(tmp_path: Path, key: str) -> None:
    MANIFEST.save(tmp_path)
    rewrite(tmp_path, **{key: 3})
    with pytest.raises(ManifestError, match=f"{key} = 3: this version of lmmtc reads [12]"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize(("content", "message"), [("{", "not JSON"), ("[]", "must be a JSON object")])
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ManifestError, match=message):
        Manifest.load(tmp_path)


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"manifest\.json: no such file: .* is not a converted data set"):
        Manifest.load(tmp_path)


def test_a_shard_may_be_there_in_several_formats(tmp_path: Path) -> None:
    both = replace(MANIFEST, splits={"train": (BOTH,)}).identified()
    both.save(tmp_path)
    assert Manifest.load(tmp_path) == both
    assert both.kinds == ("arrow", "webdataset")


def test_a_format_counts_where_all_shards_have_it() -> None:
    assert replace(MANIFEST, splits={"train": (SHARD,), "dev": (BOTH,)}).kinds == ("arrow",)


def test_shards_without_a_format_in_common_are_refused(tmp_path: Path) -> None:
    other = replace(SHARD, files={"webdataset": TAR})
    replace(MANIFEST, splits={"train": (SHARD, other)}).identified().save(tmp_path)
    with pytest.raises(ManifestError, match=r"manifest\.json: no format has all of its shards: convert again"):
        Manifest.load(tmp_path)


def test_an_unknown_format_is_refused_by_name(tmp_path: Path) -> None:
    parquet = replace(SHARD, files={"parquet": ARROW})  # type: ignore[dict-item]
    replace(MANIFEST, splits={"train": (parquet,)}).identified().save(tmp_path)
    with pytest.raises(ManifestError, match="shard format 'parquet': this version of lmmtc reads arrow, webdataset"):
        Manifest.load(tmp_path)


def test_missing_files_of_the_format_that_is_read_are_named(tmp_path: Path) -> None:
    both = replace(MANIFEST, splits={"train": (BOTH,)})
    for name in ("labels.arrow", TAR.path, SHARD.index.path):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    both.check_files(tmp_path, "webdataset")
    with pytest.raises(ManifestError, match=r"1 of its files missing, first train/00000-abc\.arrow"):
        both.check_files(tmp_path, "arrow")


def test_a_manifest_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    outside = replace(MANIFEST, labels=LabelsInfo("../labels.arrow", 7, "dd"))
    with pytest.raises(DataError, match="must be relative"):
        outside.check_files(tmp_path, "arrow")
