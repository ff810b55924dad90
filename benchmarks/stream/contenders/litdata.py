"""litdata on a local disk: its chunks of 64 MB with one string of bytes an item, mapped in place, shuffled."""
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

import os
from functools import partial
from operator import getitem
from pathlib import Path
from tempfile import TemporaryDirectory

import litdata

from ..records import Records
from .turns import Passes, batches_of, run


def prepare(records: Records, folder: Path) -> None:
    """Write chunks, in one process so that they keep the order."""
    with TemporaryDirectory() as scratch:
        # It would clear folders of the machine's temporary one otherwise, whoever made them.
        os.environ |= {"DATA_OPTIMIZER_CACHE_FOLDER": scratch, "DATA_OPTIMIZER_DATA_CACHE_FOLDER": scratch}
        item = partial(getitem, list(records.packed()))
        inputs = list(range(len(records.tokens)))
        litdata.optimize(item, inputs, str(folder), chunk_bytes="64MB", num_workers=1, verbose=False)


def read(folder: Path) -> Passes:
    """Iterate: its own loader without workers is slower. Each pass is its next epoch."""
    items = litdata.StreamingDataset(str(folder), shuffle=True)
    return lambda _: batches_of(items)


if __name__ == "__main__":
    run(prepare, read)
