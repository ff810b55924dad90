"""Hugging Face datasets, map-style: Arrow files behind a shuffled table of indices, taken 256 at a time."""
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa

from ..records import Ragged, Records
from .turns import BATCH, Batch, Passes, run


def prepare(records: Records, folder: Path) -> None:
    """Save one column of lists for each of ours."""
    lists = {"tokens": records.tokens, "labels": records.labels}
    columns = {
        name: pa.ListArray.from_arrays(column.offsets.astype(np.int32), column.values) for name, column in lists.items()
    }
    datasets.Dataset(pa.table(columns)).save_to_disk(folder)


def read(folder: Path) -> Passes:
    """Take Arrow tables, its fastest format. Each pass shuffles anew."""
    return partial(_pass, datasets.load_from_disk(folder).with_format("arrow"))


def _pass(rows: datasets.Dataset, number: int) -> Iterator[Batch]:
    shuffled = rows.shuffle(seed=number, keep_in_memory=True)
    for start in range(0, len(rows), BATCH):
        table = shuffled[start : start + BATCH]
        yield Batch.of_arrays(_ragged(table["tokens"]), _ragged(table["labels"]))


def _ragged(column: pa.ChunkedArray) -> Ragged:
    lists = column.combine_chunks()
    offsets = lists.offsets.to_numpy().astype(np.int64)
    return Ragged(lists.flatten().to_numpy(), offsets - offsets[0])


if __name__ == "__main__":
    run(prepare, read)
