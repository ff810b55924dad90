"""Tuning on dev after training: passes of refinement, number of neighbours, and the weights of the fusion."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import product
from operator import add

import numpy as np
import torch

from sharding import RecordBatch

from ..config.neighbours import Key
from ..distributed import Ranks
from ..errors import ConfigError
from ..evaluation import (
    KS,
    Answers,
    Channels,
    Fusion,
    FusionFit,
    RankingSums,
    ask,
    fit_fusion,
    inverse_propensity,
    ranking_sums,
)
from ..evaluation.answers import true_labels
from ..neighbours import NeighbourIndex, VoteRule
from .fused import FusedRanker
from .loading import TrainedModel
from .tuning import Tuning

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


THRESHOLDS = (0.3, 0.5, 0.7, 0.9)
# Tried beside the rule that the index was built with: how many neighbours vote, and powers of their likeness.
NEIGHBOURS = (10, 20, 40, 80)
POWERS: dict[Key, tuple[float, ...]] = {"dense": (8.0, 16.0, 32.0), "sparse": (2.0, 3.0, 4.0)}

Batches = Callable[[int | None], Iterable[RecordBatch]]
Figures = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Tuner:
    """Chooses on dev records; every rank takes part with its share of them, and the first one fits.

    Attributes:
        model: The trained model.
        index: Neighbour index of its training records, if there is one.
        batches: Gives the dev records, or the first so many, with their id and text.
        ranks: Who takes part.
        keep_propensity: Whether PSP may not fall.
        few_records: As many dev records choose passes, threshold and how neighbours vote; all choose the weights.
    """

    model: TrainedModel
    index: NeighbourIndex | None
    batches: Batches
    ranks: Ranks
    keep_propensity: bool = True
    few_records: int = 1000

    def tune(self, refine: int) -> tuple[Tuning, Figures]:
        """Choose refinement, of at most so many passes, how neighbours vote, then the fusion. A collective.

        Returns:
            What was chosen, and what it reaches on dev, see FusionFit; the fusion and its figures on the first rank.

        Raises:
            ConfigError: The model scans nothing: it has one answer, and nothing to fuse.
        """
        if not self.model.ranker.labels.scans:
            raise ConfigError("cloze.slots = 'all': nothing is scanned, so there are no channels to fuse")
        refine = refine if self.model.ranker.model.reads_context else 0
        tuning = Tuning(self.model.step, 0, 0.5, {}, Fusion.none())
        if refine:
            tuning = self._refined(tuning, refine)
        if self.index:
            tuning = replace(tuning, votes=self._best_votes(tuning, self.index))
        found = self._ask(tuning, None, [tuning.votes])
        fusion, figures = Fusion.none(), {}
        if self.ranks.is_first:
            fit = self._fit(found.by_rule[0], found)
            fusion, figures = fit.fusion, fit.figures
        tuning = replace(tuning, fusion=fusion)
        return replace(tuning, refine=tuning.refine if "context" in tuning.uses else 0), figures

    def _refined(self, tuning: Tuning, most: int) -> Tuning:
        """Choose passes and threshold by the mean of P@k of the refined ranking; of equal ones the fewest passes."""
        tried = [
            replace(tuning, refine=passes, threshold=threshold)
            for passes, threshold in product(range(1, most + 1), THRESHOLDS)
        ]
        return tried[int(np.argmax([self._precision(each) for each in tried]))]

    def _precision(self, tuning: Tuning) -> float:
        counts_L = self.model.vocabulary.counts
        inverse_L = inverse_propensity(counts_L, self.model.train_records)
        ranker = replace(self.model.ranker, refine=tuning.refine, threshold=tuning.threshold)
        sums = [RankingSums.zeros()]
        for records in self.batches(self.few_records):
            answers = ask(ranker, records)["refined"].among(counts_L > 0)
            weights_N = np.ones(len(answers.ids_NK))
            sums.append(ranking_sums(answers.ids_NK, answers.labels, answers.offsets, inverse_L, weights_B=weights_N))
        means = reduce(add, sums).over_ranks(self.ranks).means()
        return sum(means[f"P@{k}"] for k in KS)

    def _best_votes(self, tuning: Tuning, index: NeighbourIndex) -> dict[Key, VoteRule]:
        """Choose how neighbours by each kind of key vote, by the mean of P@k of the scan fused with that kind alone."""
        ks = [k for k in NEIGHBOURS if k <= index.meta.records]
        rules: list[dict[Key, VoteRule]] = [{kind: index.meta.rule(kind) for kind in index.meta.keys}]
        for k, place in product(ks, range(len(POWERS["dense"]))):
            rules.append({kind: VoteRule(k, POWERS[kind][place]) for kind in index.meta.keys})
        found = self._ask(tuning, self.few_records, rules)
        best = torch.zeros(len(index.meta.keys), dtype=torch.long)
        if self.ranks.is_first:
            for place, kind in enumerate(index.meta.keys):
                fits = [self._fit(_only(channels, kind), found) for channels in found.by_rule]
                best[place] = int(np.argmax([fit.figures["after"]["objective"] for fit in fits]))
        best = self.ranks.sum(best).tolist()
        return {kind: rules[number][kind] for kind, number in zip(index.meta.keys, best, strict=True)}

    def _ask(self, tuning: Tuning, limit: int | None, rules: Rules) -> SplitChannels:
        ranker = replace(self.model.ranker, refine=tuning.refine, threshold=tuning.threshold)
        fused = FusedRanker(ranker, tuning, self.model.vocabulary.counts, self.index)
        names = [*(self.index.meta.keys if self.index else ()), "slots"]
        return ask_channels(fused, self.batches(limit), names, rules, self.ranks)

    def _fit(self, channels: Channels, found: SplitChannels) -> FusionFit:
        return fit_fusion(
            channels,
            found.labels,
            found.offsets,
            self.model.vocabulary.counts,
            self.model.train_records,
            keep_propensity=self.keep_propensity,
        )


def _only(channels: Channels, name: str) -> Channels:
    return Channels(channels.ids_NK, channels.base_NK, {name: channels.others[name]})
