"""Candidates of a batch: retrieved by a scan, or all labels, each with a slot, and the plan of their order."""

import warnings
from typing import Protocol, Self

import numpy as np
import torch
from torch import Tensor

from sharding import TRAIN, ChunkPlan, Dataset, plan_chunks

from ..config import Config
from ..data import TextBatch
from ..distributed import Ranks
from ..errors import ConfigError
from ..model.proposal import Normaliser, Proposal
from .all_slots import MOST_LABELS, AllSlots
from .gradient import RowGradientSink
from .lookup import RowLookup
from .retriever import LabelRetriever
from .sampling import Sampling
from .table import CLOZE_BIAS, SCAN_BIAS, LabelTable, RowRange, create_table


class Candidates(Protocol):
    """What training and answers ask for the candidates of a batch, whichever way they come.

    Each method but `with_table` is a collective.
    """

    @property
    def table(self) -> LabelTable:
        """This rank's rows."""
        ...

    @property
    def num_labels(self) -> int:
        """Labels of all ranks."""
        ...

    @property
    def shortlist(self) -> int:
        """K, the candidates of a record that an answer ranks."""
        ...

    @property
    def ranks(self) -> Ranks:
        """Who shares the table."""
        ...

    @property
    def scans(self) -> bool:
        """Whether the candidates are those that a scan over all labels scores highest, and not all labels."""
        ...

    @property
    def has_slots(self) -> bool:
        """Whether candidates have slots, and so their rows are looked up."""
        ...

    def with_table(self, table: LabelTable) -> Self:
        """Propose by other rows, of the same labels."""
        ...

    def look_up(self, ids: Tensor) -> RowLookup:
        """Fetch the rows of labels [...] from the ranks that own them; -1: no label."""
        ...

    def rank_labels(self, batch: TextBatch, query_BE: Tensor, depth: int | None = None) -> tuple[Proposal, RowLookup]:
        """Propose candidates without learning: K of each record, or `depth` where they are retrieved."""
        ...

    def learn(
        self, batch: TextBatch, query_BE: Tensor, normaliser: Normaliser, sink: RowGradientSink, step: int
    ) -> tuple[Proposal, RowLookup]:
        """Propose candidates and, where a scan finds them, pass the row gradients of its loss to `sink`."""
        ...


def slot_plan(config: Config, dataset: Dataset) -> ChunkPlan | None:
    """Plan which labels share a chunk where all have slots: those that occur together; None: slots stand in id order.

    Where one chunk holds all labels their order is without effect; under joint attention it would mean positions. A
    pure function of the data set: each rank reads the training records for it, and needs no other.
    """
    cloze = config.cloze
    chunked = cloze.slots == "all" and cloze.attention == "prefix"
    if cloze.plan == "id" or not chunked or not cloze.chunk < len(dataset.vocabulary) <= MOST_LABELS:
        return None
    return plan_chunks(dataset, TRAIN, cloze.chunk)


def build_candidates(
    config: Config,
    table: LabelTable,
    num_labels: int,
    ranks: Ranks,
    plan: ChunkPlan | None = None,
    positive_weights_L: Tensor | None = None,
) -> Candidates:
    """Build what the run's candidates come from.

    Args:
        config: Config of the run.
        table: This rank's rows.
        num_labels: Labels of all ranks.
        ranks: Who shares the table.
        plan: The order of the slots where all labels have one; None: that of their ids.
        positive_weights_L: Weight of a positive of each label in scan and cloze; None: 1.

    Raises:
        ConfigError: There are too many labels to have slots.
    """
    shortlist = min(config.cloze.shortlist, num_labels)
    if shortlist < config.cloze.shortlist and ranks.is_first:
        asked = config.cloze.shortlist
        warnings.warn(f"cloze.shortlist = {asked}: there are only {num_labels} labels, and all are on it", stacklevel=2)
    if config.cloze.scans:
        sampling = Sampling(config.labels.negative_share, config.run.seed)
        shape = (num_labels, shortlist, config.labels.chunk)
        return LabelRetriever(
            table, *shape, ranks, sampling, positive_weights_L, config.cloze.has_slots, config.cloze.reads_context
        )
    if num_labels > MOST_LABELS:
        raise ConfigError(
            f"cloze.slots = 'all': the data set has {num_labels} labels, and every step would move all their rows to "
            f"every rank; at most {MOST_LABELS}: use 'shortlist'"
        )
    plan = plan or ChunkPlan.by_id(num_labels, config.cloze.chunk)
    return AllSlots(table, plan, shortlist, ranks, positive_weights_L)


def new_table(config: Config, counts_L: np.ndarray, records: int, encoder_width: int, rows: RowRange) -> LabelTable:
    """Make new rows; without a scan, the cloze alone knows how frequent a label is."""
    width, dtype = row_shape(config, encoder_width)
    prior = SCAN_BIAS if config.cloze.scans else CLOZE_BIAS
    return create_table(counts_L, records, width, config.run.seed, rows, prior=prior, dtype=dtype)


def row_shape(config: Config, encoder_width: int) -> tuple[int, torch.dtype]:
    """Return the width of label vectors, and the type in which they are kept."""
    width = (config.model.label_width or encoder_width) * (2 if config.cloze.label_tokens == 3 else 1)
    return width, torch.bfloat16 if config.labels.precision == "bf16" else torch.float32
