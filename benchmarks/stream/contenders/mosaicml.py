"""mosaicml-streaming: MDS shards with one string of bytes a sample, shuffled by its default algorithm, py1e."""
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

from operator import itemgetter
from pathlib import Path

import torch

from ..records import Records
from .turns import BATCH, Passes, batches_of, run

# The library imports torchvision for image data sets; a build of it for another torch ends there, for want of these.
_VISION = torch.library.Library("torchvision", "FRAGMENT")
_VISION.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
_VISION.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from streaming import MDSWriter, StreamingDataset  # noqa: E402  # needs the lines above


def prepare(records: Records, folder: Path) -> None:
    """Write shards of 64 MB."""
    with MDSWriter(out=str(folder), columns={"record": "bytes"}) as sink:
        for record in records.packed():
            sink.write({"record": record})


def read(folder: Path) -> Passes:
    """Iterate; each pass is its next epoch."""
    samples = StreamingDataset(local=str(folder), shuffle=True, shuffle_algo="py1e", batch_size=BATCH)
    return lambda _: batches_of(map(itemgetter("record"), samples))


if __name__ == "__main__":
    run(prepare, read)
