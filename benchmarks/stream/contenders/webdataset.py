"""The webdataset library on its best layout: one packed member a record, no decoder, a shuffle buffer of 1,000."""
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

from pathlib import Path

import webdataset

from ..records import Records
from .turns import BATCH, Batch, Passes, run

SHARD_ROWS = 16_384


def prepare(records: Records, folder: Path) -> None:
    """Write tars of as many records as ours have."""
    with webdataset.ShardWriter(f"{folder}/%05d.tar", maxcount=SHARD_ROWS, verbose=0) as sink:
        for number, record in enumerate(records.packed()):
            sink.write({"__key__": f"{number:09}", "bin": record})


def read(folder: Path) -> Passes:
    """Mix shards, then records, then make batches; each pass goes on drawing where the one before it stopped."""
    tars = webdataset.WebDataset(sorted(map(str, folder.glob("*.tar"))), shardshuffle=100, seed=0)
    batches = tars.shuffle(1000).batched(BATCH, collation_fn=_collate)
    return lambda _: iter(batches)


def _collate(samples: list) -> Batch:
    return Batch.of_packed([sample["bin"] for sample in samples])


if __name__ == "__main__":
    run(prepare, read)
