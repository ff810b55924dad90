"""`lmmtc verify`: a verdict and an exit code."""

import shutil
from pathlib import Path

from sharding import Dataset, sha256, xxh3_128
from tests.launcher.conftest import Lmmtc


def test_an_undamaged_data_set_is_counted(lmmtc: Lmmtc, tiny_dataset: Path) -> None:
    said = lmmtc("verify", tiny_dataset)
    assert (said.code, said.out) == (0, f"{tiny_dataset}: 200 records in 7 shards, all as published\n")


def test_a_flipped_byte_is_found_and_both_checksums_are_shown(lmmtc: Lmmtc, tiny_dataset: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_dataset, tmp_path / "copy")
    info = Dataset.open(copy).manifest.splits["train"][1].files["arrow"]
    shard = copy / info.path
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    said = lmmtc("verify", copy)
    assert said.code == 78
    assert said.err == (
        f"CorruptShardError: {copy}: 2 problems\n"
        f"{info.path}: xxh3_128 = {xxh3_128(shard)}: the manifest says {info.xxh3_128}\n"
        f"{info.path}: sha256 = {sha256(shard)}: the manifest says {info.sha256}\n"
    )


def test_a_folder_that_is_no_data_set_is_named(lmmtc: Lmmtc, tmp_path: Path) -> None:
    said = lmmtc("verify", tmp_path)
    assert said.code == 78
    assert said.err == (
        f"ManifestError: {tmp_path / 'manifest.json'}: no such file: {tmp_path} is not a converted data set, "
        "or only half of one\n"
    )
