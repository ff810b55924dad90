"""What `lmmtc evaluate` reads: the records of a split, and the pairs that are left out."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from sharding import DataError, Dataset, LabelFilter, RecordBatch, sequential
from trainer.data import columns
from trainer.distributed import Ranks
from trainer.evaluation import Answering
from trainer.inference import FusedRanker
from trainer.inference.loading import TrainedModel
from trainer.run.folder import RunFolder

from ..terminal.progress import followed


def columns_of(model: TrainedModel, ranker: Answering, *, ids: bool) -> tuple[str, ...]:
    """Name what is read of a record: its id where something depends on it, its text where texts are compared."""
    is_compared = isinstance(ranker, FusedRanker) and ranker.index is not None
    read = columns(model.config.data, ids=ids or model.ranker.excluded is not None or is_compared)
    return (*read, "text") if is_compared else read


def batches(
    ranks: Ranks, dataset: Dataset, split: str, records: int | None, batch: int, wanted: tuple[str, ...]
) -> Iterable[RecordBatch]:
    chosen = dataset.split(split)
    total = min(chosen.num_records, records or chosen.num_records)
    read = sequential(
        chosen,
        batch=batch,
        world_size=ranks.world_size,
        rank=ranks.rank,
        limit=records,
        columns=wanted,
    )
    return followed(read, f"ranking {split}", -(-total // (batch * ranks.world_size)), shown=ranks.is_first)


def check_labels(dataset: Dataset, folder: RunFolder) -> None:
    """Label ids mean the same labels only under the same vocabulary."""
    if not folder.has_labels_of(dataset):
        raise DataError(
            f"{dataset.path}: has other labels than {folder.path} was trained on; "
            f"shard it again with --vocabulary {folder.labels}"
        )


def read_filter(path: Path, model: TrainedModel, dataset: Dataset) -> LabelFilter:
    """Read it, and refuse a record id that stands in no split: a misspelt one would filter nothing."""
    label_filter = LabelFilter.read(path, model.vocabulary)
    label_filter.check(_record_ids(dataset), dataset.path)
    return label_filter


def _record_ids(dataset: Dataset) -> Iterator[str]:
    for split in dataset.manifest.splits:
        for records in sequential(dataset.split(split), batch=4096, columns=("id",)):
            yield from records.table["id"].to_pylist()
