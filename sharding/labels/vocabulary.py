"""The label vocabulary: names, texts and training counts, with ids in order of frequency, stored as `labels.arrow`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import CorruptShardError, DataError, UnknownLabelError
from ..formats import ArrowShard, write_shard
from ..storage import publish


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The labels of a data set, column by column; a label's id is its row.

    Attributes:
        names: string [L].
        texts: string [L], null where a label has none.
        counts: int64 [L], training records per label.
    """

    names: pa.StringArray
    texts: pa.StringArray
    counts: NDArray[np.int64]

    @classmethod
    def build(cls, counts: Mapping[str, int], texts: Mapping[str, str]) -> "Vocabulary":
        """Build a vocabulary from counts by name, ordered as in `ranked`."""
        columns = {"name": pa.array(counts.keys(), pa.string()), "count": pa.array(counts.values(), pa.int64())}
        return cls.ranked(pa.table(columns), texts)

    @classmethod
    def ranked(cls, counts: pa.Table, texts: Mapping[str, str]) -> "Vocabulary":
        """Order labels from frequent to rare, then by name.

        Args:
            counts: Training records of each label: the columns name and count, each label once.
            texts: Texts by name; those of other labels are left out.
        """
        rows = counts.sort_by([("count", "descending"), ("name", "ascending")]).combine_chunks()
        names = rows["name"].chunk(0) if rows.num_rows else pa.array([], pa.string())
        return cls(
            names=names,
            texts=pa.array(
                [texts.get(name) for name in names.to_pylist()] if texts else [None] * len(names), pa.string()
            ),
            counts=rows["count"].to_numpy(),
        )

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Map a saved vocabulary; DataError when the file is missing or damaged, or holds no label."""
        try:
            rows = ArrowShard.open(path).rows
            loaded = cls(rows["name"], rows["text"], rows["count"].to_numpy())
        except (CorruptShardError, KeyError) as error:
            raise DataError(f"label vocabulary {path}: cannot be read: {error}") from error
        if not len(loaded):
            raise DataError(f"label vocabulary {path}: holds no label: convert records that have labels")
        return loaded

    def save(self, path: Path) -> None:
        """Publish one Arrow file with the columns name, text and count."""
        rows = pa.record_batch({"name": self.names, "text": self.texts, "count": pa.array(self.counts)})
        with publish(path) as temporary:
            write_shard(temporary, rows)

    def recounted(self, counts: pa.Table) -> "Vocabulary":
        """Keep ids, names and texts, with new counts, from the columns name and count; 0 where a name is not there."""
        # pyarrow makes the function when it is imported.
        rows_L = pc.index_in(self.names, value_set=counts["name"])  # pyright: ignore[reportAttributeAccessIssue]
        return Vocabulary(self.names, self.texts, counts["count"].take(rows_L).fill_null(0).to_numpy())

    def extended(self, texts: Mapping[str, str | None]) -> "Vocabulary":
        """Put labels without training records, {name: text or None}, behind all others; DataError names one known."""
        if known := [name for name in texts if name in self.ids]:
            more = f", as are {len(known) - 1} more" if len(known) > 1 else ""
            raise DataError(f"label {known[0]!r}: is one of the {len(self)} labels already{more}: give new ones only")
        return Vocabulary(
            pa.concat_arrays([self.names, pa.array(texts.keys(), pa.string())]),
            pa.concat_arrays([self.texts, pa.array(texts.values(), pa.string())]),
            np.append(self.counts, np.zeros(len(texts), dtype=self.counts.dtype)),
        )

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def ids(self) -> dict[str, int]:
        """From name to id, in id order; built at the first use, the only part that costs objects per label."""
        return {name: label for label, name in enumerate(self.names.to_pylist())}

    def id_of(self, name: str) -> int:
        """Find the id of a label; UnknownLabelError names the labels that look most like it."""
        if name in self.ids:
            return self.ids[name]
        raise UnknownLabelError(f"label {name!r}: must be one of the {len(self)} labels{self._hint(name)}")

    def names_of(self, ids: Sequence[int] | NDArray[np.integer]) -> list[str]:
        """Return the names of labels, in the order asked for."""
        return self.names.take(pa.array(ids, pa.int64())).to_pylist()

    def _hint(self, name: str) -> str:
        # A typing error hardly changes the length. A million labels of one length still take some ten seconds.
        candidates = [other for other in self.ids if abs(len(other) - len(name)) <= 2]
        nearest = get_close_matches(name, candidates)
        return "; nearest: " + ", ".join(map(repr, nearest)) if nearest else ""
