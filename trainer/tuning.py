"""What is chosen on dev once a run is trained: how answers are refined, and what each channel weighs in the fusion."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import numpy as np
import torch

from sharding import RecordBatch

from .answering import FusedRanker, Tuning
from .distributed import Ranks
from .errors import ConfigError
from .evaluation import KS, Answers, Channels, Fusion, RankingSums, fit_fusion, inverse_propensity, ranking_sums
from .evaluation.answers import ask, true_labels
from .neighbours import NeighbourIndex
from .trained import TrainedModel

THRESHOLDS = (0.3, 0.5, 0.7, 0.9)

Batches = Callable[[int | None], Iterable[RecordBatch]]
Figures = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Tuner:
    """Chooses on dev records; every rank takes part with its share of them, and the first one fits.

    batches: gives the dev records, or the first so many, with their id and text. keep_propensity: whether PSP may not
    fall. seen_L: labels with a training record: dev is judged in their space.
    """

    model: TrainedModel
    index: NeighbourIndex | None
    batches: Batches
    ranks: Ranks
    keep_propensity: bool = True
    threshold_records: int = 1000

    def tune(self, refine: int) -> tuple[Tuning, Figures]:
        """Choose the threshold of refinement, with so many passes, then the fusion. A collective.

        Raises ConfigError for a model that scans nothing: it has one answer, and nothing to fuse.
        """
        if not self.model.ranker.labels.scans:
            raise ConfigError("cloze.slots = 'all': nothing is scanned, so there are no channels to fuse")
        refine = refine if self.model.ranker.model.reads_context else 0
        tuning = Tuning(self.model.step, refine, 0.5, self._k(), Fusion.none())
        if refine:
            tuning = replace(tuning, threshold=self._best_threshold(tuning))
        channels, truth = self._channels(tuning)
        fusion, figures = Fusion.none(), {}
        if self.ranks.is_first:
            fit = fit_fusion(
                channels,
                *truth,
                self.model.vocabulary.counts,
                self.model.train_records,
                keep_propensity=self.keep_propensity,
            )
            fusion, figures = fit.fusion, fit.figures
        tuning = replace(tuning, fusion=fusion)
        return replace(tuning, refine=refine if "context" in tuning.uses else 0), figures

    def _k(self) -> int:
        return self.index.meta.settings.k if self.index else 1

    def _best_threshold(self, tuning: Tuning) -> float:
        """Choose the threshold whose refined ranking has the best mean of P@k, the scan's own answers aside."""
        precisions = [self._precision(replace(tuning, threshold=threshold)) for threshold in THRESHOLDS]
        return THRESHOLDS[int(np.argmax(precisions))]

    def _precision(self, tuning: Tuning) -> float:
        counts_L = self.model.vocabulary.counts
        inverse_L = inverse_propensity(counts_L, self.model.train_records)
        ranker = replace(self.model.ranker, refine=tuning.refine, threshold=tuning.threshold)
        sums = [RankingSums.zeros()]
        for records in self.batches(self.threshold_records):
            answers = ask(ranker, records)["refined"].among(counts_L > 0)
            weights_N = np.ones(len(answers.ids_NK))
            sums.append(ranking_sums(answers.ids_NK, answers.labels, answers.offsets, inverse_L, weights_B=weights_N))
        means = reduce(add, sums).over_ranks(self.ranks).means()
        return sum(means[f"P@{k}"] for k in KS)

    def _channels(self, tuning: Tuning) -> tuple[Channels, tuple[np.ndarray, np.ndarray]]:
        """Ask all channels about all dev records; the first rank gets what all have found."""
        counts_L = self.model.vocabulary.counts
        ranker = replace(self.model.ranker, refine=tuning.refine, threshold=tuning.threshold)
        fused = FusedRanker(ranker, tuning, counts_L, self.index)
        names = [*(self.index.meta.keys if self.index else ()), "slots"]
        parts, labels, offsets = [], [], []
        for records in self.batches(None):
            real = int(records.weights.sum())
            channels = fused.channels(records, (), names)[1].take(np.arange(real))
            true = true_labels(records.slice(0, real), ranker.barred)
            answers = Answers(channels.ids_NK, channels.base_NK, *true)
            seen = answers.among(counts_L > 0, all_records=True)
            parts.append(_without_unseen(channels, counts_L))
            labels.append(seen.labels)
            offsets.append(np.diff(seen.offsets))
        truth = np.concatenate(labels).astype(np.int64), np.concatenate(offsets)
        return _gathered(Channels.join(parts), truth, self.ranks)


def _without_unseen(channels: Channels, counts_L: np.ndarray) -> Channels:
    """Leave out candidates that no training record has."""
    out_NK = (channels.ids_NK >= 0) & (counts_L[channels.ids_NK] == 0)
    others = {name: np.where(out_NK, 0, values_NK) for name, values_NK in channels.others.items()}
    return Channels(
        np.where(out_NK, -1, channels.ids_NK), np.where(out_NK, -np.inf, channels.base_NK).astype(np.float32), others
    )


def _gathered(
    channels: Channels, truth: tuple[np.ndarray, np.ndarray], ranks: Ranks
) -> tuple[Channels, tuple[np.ndarray, np.ndarray]]:
    """Bring the records of all ranks to the first: candidates are padded to the widest rank's."""
    width = int(ranks.gather(torch.tensor([channels.ids_NK.shape[1]])).max())
    empty = np.full((0, width), -1, dtype=np.int64)
    blank = Channels(empty, empty.astype(np.float32), {name: empty.astype(np.float32) for name in channels.others})
    channels = Channels.join([blank, channels])

    def gather(array: np.ndarray) -> np.ndarray:
        return ranks.gather_on_first(torch.from_numpy(np.ascontiguousarray(array))).numpy()

    others = {name: gather(values_NK) for name, values_NK in channels.others.items()}
    labels, counts = (gather(part) for part in truth)
    return Channels(gather(channels.ids_NK), gather(channels.base_NK), others), (
        labels,
        np.append(0, np.cumsum(counts)),
    )
