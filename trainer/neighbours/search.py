"""Exact nearest-neighbour search: a chunked pass over this rank's keys, and the top K of all ranks merged.

Both kinds of keys are searched as the label table is scanned: at no time is there a questions x records tensor. Shape
letters: B questions of this rank, Q of all ranks, R records of this rank, K neighbours, E width, V hashed terms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor
from torch.nn.functional import normalize

from ..distributed import Ranks
from ..labels import LabelTable, RowRange
from ..labels.pairs import LabelPairs
from ..labels.scan import scan
from ..labels.shortlist import merge_shortlists
from ..labels.top_k import StreamingTopK
from .terms import Matrix, count_terms, matrix_of, weigh

Best = tuple[Tensor, Tensor]

_QUESTIONS = 256  # at a time against sparse keys: [their terms, questions] is dense, some 10 MB


class Keys(Protocol):
    """This rank's keys of one kind."""

    def best(self, questions: "Tensor | Sequence[str]", meeting: "Meeting", k: int, chunk: int) -> Best:
        """Return cosines and positions [Q, K] of this rank's best records for the questions of all. A collective."""
        ...


@dataclass(frozen=True)
class Meeting:
    """The questions of all ranks.

    Attributes:
        ranks: Who asks.
        most: Questions of a rank, at most; rank 0's come first.
        excluded: Pairs (question, position) of all ranks that are not found.
    """

    ranks: Ranks
    most: int
    excluded: LabelPairs

    @classmethod
    def of(cls, exclude_BX: Tensor, ranks: Ranks) -> "Meeting":
        """Agree on the number of questions of a rank, and gather what is excluded (-1: nothing). A collective."""
        most = int(ranks.gather(torch.tensor([len(exclude_BX)], device=exclude_BX.device)).max())
        question_N, place_N = (exclude_BX >= 0).nonzero(as_tuple=True)
        pairs = torch.stack([question_N + ranks.rank * most, exclude_BX[question_N, place_N]], dim=1)
        pairs = ranks.gather_ragged(pairs)
        return cls(ranks, most, LabelPairs.ordered(pairs[:, 0], pairs[:, 1]))

    def gather(self, part: Tensor) -> Tensor:
        """Gather what there is one of for each question, zeros where a rank has fewer: [B, ...] -> [Q, ...]."""
        padding = part.new_zeros(self.most - len(part), *part.shape[1:])
        return self.ranks.gather(torch.cat([part, padding]))


@dataclass(frozen=True)
class DenseKeys:
    """Dense keys of this rank's records: queries minus their mean, of length 1.

    Attributes:
        keys_RE: bf16.
        mean_E: The mean of all queries.
        range: Records of the keys.
    """

    keys_RE: Tensor
    mean_E: Tensor
    range: RowRange

    def best(self, questions: Tensor | Sequence[str], meeting: Meeting, k: int, chunk: int) -> Best:
        """Scan the keys for queries [B, E], which are centred and scaled as the keys were."""
        assert isinstance(questions, Tensor), "dense keys are found by queries"
        own_BE = dense_keys(questions.detach().float(), self.mean_E.to(questions.device))
        with torch.autocast(own_BE.device.type, enabled=False):
            found = scan(self._table, meeting.gather(own_BE), meeting.excluded, k, chunk)
        return found.scores_QK, found.ids_QK

    @cached_property
    def _table(self) -> LabelTable:
        """The records as rows of a label table, without biases; neither these nor the marks take memory."""
        rows, device = len(self.keys_RE), self.keys_RE.device
        biases_R2 = torch.zeros((), device=device).expand(rows, 2)
        return LabelTable(self.keys_RE, biases_R2, torch.ones((), dtype=torch.bool).expand(rows), self.range)


@dataclass(frozen=True)
class SparseKeys:
    """Sparse keys of this rank's records: TF-IDF rows of length 1.

    Attributes:
        keys_RV: A CSR matrix.
        idf_V: Weights of terms, which questions are weighted with, too.
        range: Records of the keys.
    """

    keys_RV: Matrix
    idf_V: NDArray[np.float32]
    range: RowRange

    def best(self, questions: Tensor | Sequence[str], meeting: Meeting, k: int, chunk: int) -> Best:
        """Multiply the keys with texts, chunk by chunk and a block of texts at a time."""
        assert not isinstance(questions, Tensor), "sparse keys are found by texts"
        asked_QV = self._gathered(weigh(count_terms(questions, len(self.idf_V)), self.idf_V), meeting)
        num_questions = asked_QV.shape[0]
        blocks = [_Block.of(asked_QV[start : start + _QUESTIONS]) for start in range(0, num_questions, _QUESTIONS)]
        best = StreamingTopK(num_questions, k, like=torch.empty(0))
        for records in self.range.chunks(chunk):
            keys_CV = self._rows(records.within(self.range))
            cosines_QC = np.concatenate([np.empty((0, len(records)), np.float32), *(b.times(keys_CV) for b in blocks)])
            best.take(torch.from_numpy(cosines_QC), records, meeting.excluded.within(records))
        return best.result()

    def _gathered(self, own_BV: Matrix, meeting: Meeting) -> Matrix:
        counts_Q = meeting.gather(torch.from_numpy(np.diff(own_BV.indptr).astype(np.int64)))
        terms, values = (
            meeting.ranks.gather_ragged(torch.from_numpy(part)).numpy()
            for part in (own_BV.indices.astype(np.int32), own_BV.data)
        )
        return matrix_of(counts_Q.numpy(), terms, values, len(self.idf_V))

    def _rows(self, rows: slice) -> Matrix:
        """Look at some keys without copying them."""
        offsets = self.keys_RV.indptr[rows.start : rows.stop + 1]
        inside = slice(offsets[0], offsets[-1])
        parts = (self.keys_RV.data[inside], self.keys_RV.indices[inside], offsets - offsets[0])
        return sparse.csr_array(parts, shape=(rows.stop - rows.start, self.keys_RV.shape[1]))


@dataclass(frozen=True)
class _Block:
    """Some texts, dense over the U terms that any of them has: [U, Q].

    is_asked_V: which terms these are, apart because it stays in a core's cache; place_V: where each is among them.
    Products with it take no time for the terms that nobody asks for, and are written without a sparse result between.
    """

    dense_UQ: NDArray[np.float32]
    is_asked_V: NDArray[np.bool_]
    place_V: NDArray[np.int32]

    @classmethod
    def of(cls, questions_QV: Matrix) -> "_Block":
        terms_U, place_N = np.unique(questions_QV.indices, return_inverse=True)
        place_V = np.full(questions_QV.shape[1], -1, dtype=np.int32)
        place_V[terms_U] = np.arange(len(terms_U))
        dense_UQ = np.zeros((len(terms_U), questions_QV.shape[0]), dtype=np.float32)
        question_N = np.repeat(np.arange(questions_QV.shape[0]), np.diff(questions_QV.indptr))
        dense_UQ[place_N, question_N] = questions_QV.data
        return cls(dense_UQ, place_V >= 0, place_V)

    def times(self, keys_CV: Matrix) -> NDArray[np.float32]:
        """Multiply with keys: [Q, C]. Of each pair the terms add up in the order in which the key has them."""
        asked_N = np.flatnonzero(self.is_asked_V.take(keys_CV.indices))
        offsets = np.searchsorted(asked_N, keys_CV.indptr)
        parts = (keys_CV.data[asked_N], self.place_V[keys_CV.indices[asked_N]], offsets)
        keys_CU = sparse.csr_array(parts, shape=(keys_CV.shape[0], len(self.dense_UQ)))
        return np.ascontiguousarray((keys_CU @ self.dense_UQ).T)


def dense_keys(queries_NE: Tensor, mean_E: Tensor) -> Tensor:
    """Centre queries and scale them to length 1; the mean itself stays zero. Shape and type stay."""
    return normalize(queries_NE - mean_E, dim=1)


def search(keys: Keys, questions: Tensor | Sequence[str], exclude_BX: Tensor, k: int, chunk: int, ranks: Ranks) -> Best:
    """Find the k nearest records of this rank's questions among those of all ranks. A collective.

    Returns:
        Cosines [B, K], from the largest, and positions [B, K]; of equal cosines the lower position comes first.
        Records without any likeness (a cosine of at most 0) are not found: 0 and -1.
    """
    meeting = Meeting.of(exclude_BX, ranks)
    if not meeting.most:
        return torch.empty(0, k), torch.empty(0, k, dtype=torch.long)
    merged = merge_shortlists(*keys.best(questions, meeting, k, chunk), ranks)
    cosines_BK, positions_BK = (part_QK[: len(exclude_BX)] for part_QK in merged)
    alike_BK = (cosines_BK > 0) & (positions_BK >= 0)
    return cosines_BK.where(alike_BK, 0), positions_BK.where(alike_BK, -1)
