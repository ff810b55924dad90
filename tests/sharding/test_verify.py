"""Finding damage."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sharding import Dataset, Manifest, verify


@pytest.fixture
def copy(dataset: Dataset, tmp_path: Path) -> Path:
    return shutil.copytree(dataset.path, tmp_path / "copy")


def change_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_an_undamaged_data_set_has_no_problems(dataset: Dataset) -> None:
    report = verify(dataset.path)
    assert report.problems == ()
    assert (report.num_shards, report.num_records) == (11, 102)


def test_all_damage_is_reported_at_once(copy: Path) -> None:
    missing, changed, cut = sorted((copy / "train").iterdir())[:3]
    missing.unlink()
    change_last_byte(changed)
    cut.write_bytes(cut.read_bytes()[:100])
    change_last_byte(copy / "labels.arrow")
    change_last_byte(copy / "tokenizer" / "tokenizer.json")
    found = [problem.split(" = ")[0] for problem in verify(copy).problems]
    assert found == [
        "tokenizer/tokenizer.json: sha256",
        "labels.arrow: sha256",
        f"train/{missing.name}: is missing",
        f"train/{changed.name}: xxh3_128",
        f"train/{changed.name}: sha256",
        f"train/{cut.name}: bytes",
        f"train/{cut.name}: xxh3_128",
        f"train/{cut.name}: sha256",
    ]


def test_ids_and_rows_that_the_manifest_does_not_allow_are_reported(copy: Path) -> None:
    manifest = Manifest.load(copy)
    [shard] = manifest.splits["test"]
    replace(
        manifest,
        splits={"test": (replace(shard, rows=4),)},
        labels=replace(manifest.labels, count=7),
        tokenizer=replace(manifest.tokenizer, vocabulary_size=1),
    ).identified().save(copy)
    assert [problem.split(": ", 1)[1].split(", first")[0] for problem in verify(copy).problems] == [
        "labels = 10: the manifest says 7",
        "rows = 5: the manifest says 4",
        "3 of its labels are too large",
        "10 of its tokens are too large",
    ]
