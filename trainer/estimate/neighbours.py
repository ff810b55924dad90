"""Estimates for a neighbour index while a run answers: bytes of a rank, time of a lookup."""

from dataclasses import dataclass

from .cluster import Cluster
from .workload import Workload

_KEY = 2  # bf16
_FULL = 4
_TERM = 8  # bytes of a term of a sparse key: a weight, and which word
_RECORD = 16  # where a record's terms and labels begin
_NAMES = 48  # hashes of its id, text and title: on every rank, of all records
_WORD = 8  # bytes of each hashed word: its weight, and where the questions that have it begin
_LOGITS = 12  # bytes that are moved for each question and record: written, compared, marked
_TERM_SECONDS = 2e-8  # one core comes to a stored term, once for all questions of a batch
_PAIR_SECONDS = 2e-8  # it adds up what a question and a record share


@dataclass(frozen=True)
class IndexPlan:
    """The size of an index, and the time of a lookup.

    Attributes:
        records: Records on all ranks.
        rank_bytes: Bytes of host memory on each rank.
        lookup_seconds: Seconds for each question.
    """

    records: int
    rank_bytes: int
    lookup_seconds: float


def index_plan(work: Workload, cluster: Cluster) -> IndexPlan | None:
    """Plan the index that `neighbours.records` bounds; None where there is none.

    A text is taken to have as many different words as the longest has tokens, which is more than most have. Keys are
    kept on the host; dense ones are scanned where the model is, sparse ones by one core of each rank.
    """
    records = min(work.config.neighbours.records, work.corpus.records)
    return _Counting(work, cluster, records).plan() if records else None


@dataclass(frozen=True)
class _Counting:
    work: Workload
    cluster: Cluster
    records: int

    def plan(self) -> IndexPlan:
        settings = self.work.config.neighbours
        dense, sparse = "dense" in settings.keys, "sparse" in settings.keys
        terms = self.work.corpus.tokens if sparse else 0
        width = self.work.label_width if dense else 0
        own = _KEY * width + _TERM * terms + 8 * self.work.corpus.positives + _RECORD
        chunk = _LOGITS * self._questions * min(settings.chunk, self._rows)
        words = _WORD * settings.features if sparse else 0
        seconds = (self._dense(width) if dense else 0.0) + (self._sparse(terms) if sparse else 0.0)
        return IndexPlan(
            records=self.records,
            rank_bytes=round(self._rows * own + self.records * _NAMES + chunk + words),
            lookup_seconds=seconds / self._questions,
        )

    @property
    def _rows(self) -> int:
        """R: records of the rank with most of them."""
        return -(-self.records // self.work.world_size)

    @property
    def _questions(self) -> int:
        """Q: what all ranks ask at a time."""
        return self.work.config.evaluation.batch * self.work.world_size

    def _dense(self, width: int) -> float:
        """Time the products of a batch, what is made of them, and copying keys to where the model is in fp32."""
        rates, numbers = self.cluster.rates, self._rows * width
        copied = _KEY * numbers / (rates.host_gbs if self.cluster.has_gpus else rates.memory_gbs)
        made = 2 * _FULL * numbers / rates.memory_gbs + _LOGITS * self._rows * self._questions / rates.pointwise_gbs
        return 2 * numbers * self._questions / rates.scan_tflops / 1e12 + (copied + made) / 1e9

    def _sparse(self, terms: int) -> float:
        return self._rows * (terms * _TERM_SECONDS + self._questions * _PAIR_SECONDS)
