"""The same records in other formats."""

import shutil
from dataclasses import replace
from pathlib import Path

from sharding import Dataset, Kind, write_shard_files
from sharding.layout.shards import in_folder, open_shard


def rewrite(dataset: Path, out: Path, *kinds: Kind) -> Path:
    """Write a data set again, shard by shard, in these formats; its labels and its tokenizer are copied."""
    old = Dataset.open(dataset)
    shutil.copytree(dataset, out, ignore=shutil.ignore_patterns(*old.manifest.splits, "manifest.json"))
    splits = {
        split: tuple(
            write_shard_files(out, f"{split}/{number:05}", open_shard(in_folder(dataset), info, old.kind).rows, kinds)
            for number, info in enumerate(shards)
        )
        for split, shards in old.manifest.splits.items()
    }
    replace(old.manifest, splits=splits).identified().save(out)
    return out
