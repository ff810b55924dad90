"""The neighbour index in use: exact search of the nearest training records, and the vote of their labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sharding import DataError, Vocabulary

from ..config.neighbours import Key
from ..distributed import ONE_RANK, Ranks
from ..errors import ConfigError
from ..labels import RowRange
from ..labels.lookup import plan_route
from .folder import IndexFolder
from .meta import IndexMeta, remedy
from .records import RecordNames
from .search import DenseKeys, Keys, SparseKeys, search
from .terms import inverse_frequencies
from .vote import Neighbours, VoteRule, Votes


@dataclass(frozen=True)
class RecordLabels:
    """Labels of this rank's records, behind each other.

    Attributes:
        values: int64; record r has values[offsets[r] : offsets[r + 1]].
        offsets: int64 [R + 1].
        range: Records of this rank.
    """

    values: Tensor
    offsets: Tensor
    range: RowRange

    def fetch(self, positions_BK: Tensor, records: int, ranks: Ranks) -> tuple[Tensor, Tensor, Tensor]:
        """Fetch the labels of records from the ranks that have them. A collective.

        Args:
            positions_BK: places in the index of so many `records`, -1: none.
            records: of the index, over all ranks.
            ranks: all of them, in contiguous ranges.

        Returns:
            For each label the row and the column in `positions_BK` that it belongs to, and its id: int64 [N] each.
        """
        route = plan_route(positions_BK, records, self.range, ranks)
        counts_S, served = _taken(self.values, self.offsets, route.served_N)
        sizes_W = [int(part.sum()) for part in counts_S.split(route.served_W)]
        counts_U, _ = ranks.exchange_ragged(counts_S, route.served_W)
        values, _ = ranks.exchange_ragged(served, sizes_W)
        question_N, place_N = (positions_BK >= 0).nonzero(as_tuple=True)
        wanted_N = torch.searchsorted(route.wanted_U, positions_BK[question_N, place_N])
        counts_N, labels = _taken(values, _offsets(counts_U), wanted_N)
        return question_N.repeat_interleave(counts_N), place_N.repeat_interleave(counts_N), labels


@dataclass(frozen=True)
class NeighbourIndex:
    """An index that is read: keys and labels of this rank's range of records, ids and hashes of all.

    Attributes:
        meta: what the index says of itself.
        num_labels: labels of the run's vocabulary.
        keys: this rank's keys, by kind.
        labels: the labels of this rank's records.
        names: ids and hashes of all records.
        ranks: who shares the records.
    """

    meta: IndexMeta
    num_labels: int
    keys: Mapping[Key, Keys]
    labels: RecordLabels
    names: RecordNames
    ranks: Ranks

    @classmethod
    def load(
        cls,
        folder: Path,
        fingerprint: str,
        vocabulary: Vocabulary,
        ranks: Ranks = ONE_RANK,
        device: torch.device | None = None,
    ) -> "NeighbourIndex":
        """Read an index, of the keys this rank's range alone.

        Args:
            folder: RUN/neighbours.
            fingerprint: of the model whose queries will ask, see `fingerprint`.
            vocabulary: the run's labels.
            ranks: who shares the records.
            device: where dense keys are kept; None: in host memory, from where chunks are copied to the queries.

        Raises:
            ConfigError: there is no index, or another encoder or vocabulary has made it.
            DataError: it is damaged.
        """
        files = IndexFolder(folder)
        meta = IndexMeta.read(folder)
        meta.check(folder, fingerprint, vocabulary)
        own = RowRange.of_rank(meta.records, ranks.rank, ranks.world_size)
        statistics, keys = files.statistics(meta), dict[Key, Keys]()
        if "dense" in meta.keys:
            keys["dense"] = DenseKeys(files.dense(meta, own).to(device or "cpu"), statistics.mean_E, own)
        if "sparse" in meta.keys:
            idf_V = inverse_frequencies(statistics.frequencies.numpy(), meta.idf_records)
            keys["sparse"] = SparseKeys(files.sparse(meta, own), idf_V, own)
        names = RecordNames(files.rows(meta))
        return cls(meta, len(vocabulary), keys, _labels(names, own, meta, folder), names, ranks)

    def vote(
        self,
        kind: Key,
        questions: Tensor | Sequence[str],
        rule: VoteRule | None = None,
        exclude_BX: Tensor | None = None,
    ) -> Votes:
        """Find the nearest records of this rank's questions and let their labels vote. A collective.

        Args and errors as of `find`; rule: None is the one that the index was built with.
        """
        rule = rule or self.meta.rule(kind)
        return self.find(kind, questions, rule.k, exclude_BX).vote(rule, self.num_labels)

    def find(
        self, kind: Key, questions: Tensor | Sequence[str], k: int | None = None, exclude_BX: Tensor | None = None
    ) -> Neighbours:
        """Find the k nearest records of this rank's questions, exactly, with their labels. A collective.

        Any rule with no more neighbours can let them vote: to try several, search once.

        Args:
            kind: of the keys.
            questions: for dense keys the model's queries [B, E], nothing revealed; for sparse ones whole texts. The
                numbers of questions of two ranks may differ, but not their kind.
            k: how many records; None: as many as the index was built with.
            exclude_BX: positions that a question must not find (-1: none), its own above all, see `positions`.

        Raises:
            ConfigError: the index has no keys of this kind.
        """
        if kind not in self.keys:
            raise ConfigError(
                f"neighbours.keys: this index has no {kind} keys, but {', '.join(self.keys)}: build it again with "
                f"neighbours.keys = {[*self.keys, kind]}"
            )
        if exclude_BX is None:
            exclude_BX = torch.full((len(questions), 1), -1)
        if isinstance(questions, Tensor):
            exclude_BX = exclude_BX.to(questions.device)
        k = k or self.meta.settings.k
        found = search(self.keys[kind], questions, exclude_BX, k, self.meta.settings.chunk, self.ranks)
        cosines_BK, positions_BK = (part.cpu() for part in found)
        return Neighbours(cosines_BK, positions_BK, *self.labels.fetch(positions_BK, self.meta.records, self.ranks))

    def positions(self, ids: Sequence[str]) -> Tensor:
        """Find the records of these ids, int64 [B, X], -1: none. So a training record never finds itself."""
        return self.names.positions(ids)

    def num_duplicates(self, texts: Sequence[str]) -> tuple[int, int]:
        """Count the texts that a remembered record has too, and those whose title one has; see `RecordNames.known`."""
        text_B, title_B = self.names.known(texts)
        return int(text_B.sum()), int(title_B.sum())


def _labels(names: RecordNames, own: RowRange, meta: IndexMeta, folder: Path) -> RecordLabels:
    """Copy the labels of a range of records; DataError for a label that nothing has."""
    lists = names.rows["labels"].slice(own.start, len(own)).combine_chunks()
    values = torch.from_numpy(lists.flatten().to_numpy().astype(np.int64))
    counts = torch.from_numpy(lists.value_lengths().to_numpy().astype(np.int64))
    if len(values) and int(values.max()) >= meta.labels:
        raise DataError(
            f"{folder}: a record has label {int(values.max())}: must be below {meta.labels}: build the index again "
            f"with {remedy(folder)}"
        )
    return RecordLabels(values, torch.cat([counts.new_zeros(1), counts.cumsum(0)]), own)


Ragged = tuple[Tensor, Tensor]


def _taken(values: Tensor, offsets: Tensor, rows_N: Tensor) -> Ragged:
    """Copy ragged rows: how long each is [N], and their values behind each other."""
    counts_N = offsets[rows_N + 1] - offsets[rows_N]
    own = _offsets(counts_N)
    shift_N = offsets[rows_N] - own[:-1]
    return counts_N, values[shift_N.repeat_interleave(counts_N) + torch.arange(int(own[-1]))]


def _offsets(counts_N: Tensor) -> Tensor:
    return torch.cat([counts_N.new_zeros(1), counts_N.cumsum(0)])
