"""The channels of all records of a split, beside the truth: what a fusion is fitted on and judged by."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sharding import RecordBatch

from ..config.neighbours import Key
from ..distributed import Ranks
from ..evaluation import Answers, Channels
from ..evaluation.answers import true_labels
from ..neighbours import VoteRule
from .fused import FusedRanker

Rules = Sequence[Mapping[Key, VoteRule]]


@dataclass(frozen=True, eq=False)
class SplitChannels:
    """Channels of N records under each rule of the vote, and their true labels, ragged.

    Both are in the space of the labels that training has seen; a record may be left without a true label.
    """

    by_rule: list[Channels]
    labels: np.ndarray
    offsets: np.ndarray


def ask_channels(
    ranker: FusedRanker, batches: Iterable[RecordBatch], names: Sequence[str], rules: Rules, ranks: Ranks
) -> SplitChannels:
    """Compute the channels of `names` for all records, nothing given. A collective.

    Args:
        ranker: Whose channels they are.
        batches: This rank's share of the records, which have their text where sparse keys vote.
        names: Some of CHANNELS; one that the run has no means for is left out. "context" needs a ranker that refines.
        rules: How neighbours vote, by kind of key; the index's own rule for a kind that is left out.
        ranks: Who takes part.

    Returns:
        On the first rank, what all have found; not to be used on others.
    """
    counts_L = ranker.training_records_L
    parts: list[list[Channels]] = [[] for _ in rules]
    labels, offsets = [], []
    for records in batches:
        real = int(records.weights.sum())
        _, found = ranker.channels_by_rules(records, (), names, rules)
        for part, channels in zip(parts, found, strict=True):
            part.append(_without_unseen(channels.take(np.arange(real)), counts_L))
        first = parts[0][-1]
        truth = true_labels(records.slice(0, real), ranker.excluded)
        seen = Answers(first.ids_NK, first.base_NK, *truth).among(counts_L > 0, all_records=True)
        labels.append(seen.labels)
        offsets.append(np.diff(seen.offsets))
    truth = np.concatenate(labels).astype(np.int64), np.concatenate(offsets)
    by_rule = [_gathered(Channels.join(each), ranks) for each in parts]
    found_labels, counts_N = (_gather(part, ranks) for part in truth)
    return SplitChannels(by_rule, found_labels, np.append(0, np.cumsum(counts_N)))


def _without_unseen(channels: Channels, counts_L: np.ndarray) -> Channels:
    """Leave out candidates that no training record has."""
    out_NK = (channels.ids_NK >= 0) & (counts_L[channels.ids_NK] == 0)
    others = {name: np.where(out_NK, 0, values_NK) for name, values_NK in channels.others.items()}
    return Channels(
        np.where(out_NK, -1, channels.ids_NK), np.where(out_NK, -np.inf, channels.base_NK).astype(np.float32), others
    )


def _gathered(channels: Channels, ranks: Ranks) -> Channels:
    """Gather the records of all ranks on the first: candidates are padded to the widest rank's."""
    width = int(ranks.gather(torch.tensor([channels.ids_NK.shape[1]])).max())
    empty = np.full((0, width), -1, dtype=np.int64)
    blank = Channels(empty, empty.astype(np.float32), {name: empty.astype(np.float32) for name in channels.others})
    channels = Channels.join([blank, channels])
    others = {name: _gather(values_NK, ranks) for name, values_NK in channels.others.items()}
    return Channels(_gather(channels.ids_NK, ranks), _gather(channels.base_NK, ranks), others)


def _gather(array: np.ndarray, ranks: Ranks) -> np.ndarray:
    return ranks.gather_on_first(torch.from_numpy(np.ascontiguousarray(array))).numpy()
