"""The texts of a prepared corpus, in the order of its data set: what baselines on words and looks at texts need."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sharding import Dataset, sequential

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LabelledTexts:
    """N records: their ids, their texts and their labels.

    Attributes:
        ids: One of each record.
        texts: One of each record.
        labels: Label ids of all records, one behind the other.
        offsets: Record n has `labels[offsets[n]:offsets[n + 1]]`, int64 [N + 1].
    """

    ids: Sequence[str]
    texts: Sequence[str]
    labels: Ints
    offsets: Ints

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, records: npt.NDArray[np.integer]) -> "LabelledTexts":
        """Choose records by their number, in the order asked for."""
        own = [self.labels[self.offsets[record] : self.offsets[record + 1]] for record in records]
        ids, texts = ([values[int(record)] for record in records] for values in (self.ids, self.texts))
        return LabelledTexts(ids, texts, np.concatenate([*own, self.labels[:0]]), np.cumsum([0, *map(len, own)]))

    def truth_NL(self, num_labels: int) -> sparse.csr_matrix:
        """Lay labels out as a sparse matrix of float32 ones, [N, L]."""
        ones = np.ones(len(self.labels), dtype=np.float32)
        return sparse.csr_matrix((ones, self.labels, self.offsets), shape=(len(self), num_labels))


def read_texts(folder: Path, dataset: Dataset, split: str) -> LabelledTexts:
    """Read the records of a split in the data set's order, with texts from the corpus.jsonl that it was made of."""
    with (folder / "corpus.jsonl").open(encoding="utf-8") as lines:
        texts = {record["id"]: record["text"] for record in map(json.loads, lines) if record["split"] == split}
    [records] = sequential(dataset.split(split), batch=dataset.split(split).num_records, columns=("id", "labels"))
    labels, offsets = records.ragged("labels")
    ids = records.table["id"].to_pylist()
    return LabelledTexts(ids, [texts[record] for record in ids], labels.astype(np.int64), offsets)
