"""Which labels a step asks about: those that a scan proposes, or all."""

import numpy as np
import torch
from torch import Tensor

from ..config import Config
from ..distributed import Ranks
from ..errors import ConfigError
from .all_slots import MOST_LABELS, AllSlots
from .sampling import Sampling
from .side import LabelSide
from .table import CLOZE_BIAS, SCAN_BIAS, LabelTable, RowRange, create_table

Labels = LabelSide | AllSlots


def label_side(
    config: Config, table: LabelTable, num_labels: int, ranks: Ranks, positive_weights_L: Tensor | None = None
) -> Labels:
    """Build what proposes labels; ConfigError when there are too few of them, or too many to have slots."""
    if config.cloze.shortlist > num_labels:
        raise ConfigError(f"cloze.shortlist = {config.cloze.shortlist}: the data set has only {num_labels} labels")
    if config.cloze.slots == "shortlist":
        sampling = Sampling(config.labels.negative_share, config.run.seed)
        shape = (num_labels, config.cloze.shortlist, config.labels.chunk)
        return LabelSide(table, *shape, ranks, sampling, positive_weights_L)
    if num_labels > MOST_LABELS:
        raise ConfigError(
            f"cloze.slots = 'all': the data set has {num_labels} labels, and every step would move all their rows to "
            f"every rank; at most {MOST_LABELS}: use 'shortlist'"
        )
    return AllSlots(table, num_labels, config.cloze.shortlist, ranks)


def new_table(config: Config, counts_L: np.ndarray, records: int, encoder_width: int, rows: RowRange) -> LabelTable:
    """Make new rows; without a scan, the cloze alone knows how frequent a label is."""
    width = (config.model.label_width or encoder_width) * (2 if config.cloze.label_tokens == 3 else 1)
    prior = SCAN_BIAS if config.cloze.slots == "shortlist" else CLOZE_BIAS
    dtype = torch.bfloat16 if config.labels.precision == "bf16" else torch.float32
    return create_table(counts_L, records, width, config.run.seed, rows, prior=prior, dtype=dtype)
