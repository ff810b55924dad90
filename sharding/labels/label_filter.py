"""The label filter: pairs of record and label that are excluded from ranking and from evaluation, read from a file."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, UnknownLabelError
from ..sources import read_pairs
from .vocabulary import Vocabulary

_NONE = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class LabelFilter:
    """Label ids that are excluded for some records; memory: O(pairs).

    Attributes:
        labels: Label ids by record id, int64, ascending.
        places: Where in the file each record id comes first, for messages.
    """

    labels: dict[str, NDArray[np.int64]]
    places: dict[str, str]

    @classmethod
    def read(cls, path: Path, vocabulary: Vocabulary) -> "LabelFilter":
        """Read a .tsv or .tsv.gz file of lines "record id TAB label".

        Raises:
            DataError: A line is no such pair; the error names it.
            UnknownLabelError: A label is not in the vocabulary; the error names its line.
        """
        labels: dict[str, list[int]] = defaultdict(list)
        places: dict[str, str] = {}
        for where, record, label in read_pairs(path, "a record id", "a label"):
            try:
                labels[record].append(vocabulary.id_of(label))
            except UnknownLabelError as error:
                raise UnknownLabelError(f"{where}: {error}") from None
            places.setdefault(record, where)
        return cls({record: np.unique(ids) for record, ids in labels.items()}, places)

    def check(self, records: Iterable[str], origin: Path) -> None:
        """Raise a DataError, with its line, for a record id that is none of the origin's."""
        absent = self.places.keys() - records
        if absent:
            first = next(record for record in self.places if record in absent)
            raise DataError(f"{self.places[first]}: record {first!r}: {origin} has no record of this id")

    def of(self, records: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return the label ids that are excluded for each record, ascending."""
        return [self.labels.get(record, _NONE) for record in records]
