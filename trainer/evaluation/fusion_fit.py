"""Fit the weights of late fusion on dev records: coordinate search over small grids.

N records, K candidates of each, L labels, B bands of labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, log, sqrt

import numpy as np

from .channels import CHANNELS, VOTES, Channels
from .frequency_buckets import FREQUENCY_BUCKETS
from .fusion import ChannelWeights, Fusion
from .ranking import KS, Bools, Floats, Ints, candidate_hits, inverse_propensity, ranking_sums

DEPTH = max(KS)

# Beside 0.
_VOTE_WEIGHTS = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)
_WEIGHTS = {
    "context": (0.25, 0.5, 0.75, 1.0),
    "slots": tuple(tenths / 10 for tenths in range(1, 11)),
    "dense": _VOTE_WEIGHTS,
    "sparse": _VOTE_WEIGHTS,
}
_EXPONENTS = (0.5, 1.0, 2.0)
_MULTIPLIERS = (0.0, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
# What a weight is multiplied by in head, torso, tail and unseen. A channel that harms PSP, mostly by head labels that
# drive out others, would else get no weight at all where PSP must not fall.
_EVEN = (1.0, 1.0, 1.0, 1.0)
_LESS_HEAD = (_EVEN, (0.5, 1.0, 1.0, 1.0), (0.0, 1.0, 1.0, 1.0), (0.0, 0.0, 1.0, 1.0))
_ROUNDS, _BAND_ROUNDS = 3, 2

# The sum of P@1, P@3 and P@5 counts 1 + 1/3 + 1/5 for a hit at place 1, and so on: in units of 1/15, whole numbers, so
# that objectives are compared exactly.
_UNIT = 15
_GAIN_OF_PLACE = np.array([sum(_UNIT // k for k in KS if place < k) for place in range(DEPTH)])


@dataclass(frozen=True)
class FusionFit:
    """A fitted fusion, and the dev records' metrics.

    Attributes:
        fusion: The weights; a channel that brought nothing has weight 0 throughout.
        figures: {"before": the scan's metrics, "after": the fusion's}, each P@k, R@k, nDCG@k, PSP@k for k of KS, and
            "objective", the mean of P@k; shares of 1, NaN without a record that has a label. As the weights were
            chosen by these records, "after" is a little better than new records will be.
    """

    fusion: Fusion
    figures: dict[str, dict[str, float]]


def fit_fusion(
    channels: Channels,
    labels: Ints,
    offsets: Ints,
    training_records_L: Ints,
    train_records: int,
    *,
    keep_propensity: bool = False,
) -> FusionFit:
    """Search weights and exponents that raise the mean of P@1, P@3 and P@5 over the records with a label.

    Three rounds visit each channel and choose weight and exponent, one weight for all bands; two more visit each band
    of each channel and choose what the weight is multiplied by there. The fit is deterministic, and on these records
    never worse than the scan.

    What is fitted must not be noise. Of m values that change nothing but noise, the best one looks better by up to
    sqrt(2 ln m) standard errors (the universal threshold of Donoho and Johnstone, Ideal spatial adaptation by wavelet
    shrinkage, Biometrika 1994). So a channel leaves weight 0, and a band leaves its channel's weight, only for a gain
    above that, in standard errors of the paired difference over records. On 1,800 synthetic dev records this kept 48
    of 48 useless channels at 0; a margin of one standard error kept 39, none kept 29, and both lost precision on other
    records. The price: of channels worth 0.1 or 0.2 points there, most are missed. Other values of a weight that is not
    0 need no margin: they are one number more.

    Args:
        channels: Dev records' candidates, N records.
        labels: True labels, ragged: record n owns labels[offsets[n] : offsets[n + 1]], each label once.
        offsets: [N + 1].
        training_records_L: Training records of each label.
        train_records: All training records, at least 3.
        keep_propensity: Whether PSP@1, PSP@3 and PSP@5 may not fall below the scan's. Weights are then also tried
            with less or nothing for labels with many training records.
    """
    counts_N = np.diff(offsets)
    labelled = channels.take(counts_N > 0).by_label_id()
    truth = labels, np.append(0, np.cumsum(counts_N[counts_N > 0]))
    inverse_propensity_L = inverse_propensity(training_records_L, train_records)
    dev = _Dev(
        labelled,
        candidate_hits(labelled.ids_NK, *truth, len(training_records_L)),
        labelled.bands_NK(training_records_L),
        inverse_propensity_L,
    )
    fusion = _Search(dev, keep_propensity=keep_propensity).run()
    figures = {}
    for name, each in (("before", Fusion.none()), ("after", fusion)):
        ids_NK, _ = each.rank(labelled, training_records_L, DEPTH)
        sums = ranking_sums(ids_NK, *truth, inverse_propensity_L, weights_B=np.ones(len(ids_NK)))
        means = {metric: mean for metric, mean in sums.means().items() if metric != "recall@K"}
        figures[name] = {"objective": sum(means[f"P@{k}"] for k in KS) / len(KS)} | means
    return FusionFit(fusion, figures)


@dataclass(frozen=True, eq=False)
class _Outcome:
    """What a fusion reaches: each record's sum of P@k in units of 1/15, and the numerator of PSP@k for k of KS."""

    objective_N: Ints
    propensity: Floats


@dataclass(frozen=True, eq=False)
class _Dev:
    """Dev records that have a label; their candidates are ordered by label id."""

    channels: Channels
    hits_NK: Bools
    bands_NK: Ints
    inverse_propensity_L: Floats

    def outcome(self, terms: Sequence[Floats]) -> _Outcome:
        """Add terms to the base, in their order, and look at the best DEPTH candidates alone."""
        scores_NK = self.channels.base_NK.copy()
        for terms_NK in terms:
            scores_NK += terms_NK
        records_N = np.arange(len(scores_NK))
        gains_N, inverse_D = np.zeros(len(scores_NK), dtype=np.int64), np.zeros(DEPTH)
        # As many argmax as places: an eighth of the time of np.argpartition, and the first of equals comes first.
        for place in range(min(DEPTH, scores_NK.shape[1])):
            best_N = scores_NK.argmax(axis=1)
            hit_N = self.hits_NK[records_N, best_N] & (scores_NK[records_N, best_N] > -np.inf)
            gains_N += hit_N * _GAIN_OF_PLACE[place]
            inverse_D[place] = self.inverse_propensity_L[self.channels.ids_NK[records_N, best_N][hit_N]].sum()
            scores_NK[records_N, best_N] = -np.inf
        return _Outcome(gains_N, np.array([inverse_D[:k].sum() for k in KS]))


class _Search:
    """Coordinate search from weight 0 of all channels."""

    def __init__(self, dev: _Dev, *, keep_propensity: bool) -> None:
        self._dev = dev
        self._shapes = _LESS_HEAD if keep_propensity else (_EVEN,)
        self._chosen = {name: _nothing(name) for name in CHANNELS if name in dev.channels.others}
        self._terms: dict[str, Floats] = {}  # of the chosen weights above 0
        self._reached = self._try(None)
        # Sums of floats in another order may differ in their last bits.
        self._least_propensity = self._reached.propensity * (1 - 1e-12) if keep_propensity else np.zeros(len(KS))

    def run(self) -> Fusion:
        """Choose weights of channels, then those of their bands."""
        for _ in range(_ROUNDS):
            changed = [self._choose_weight(name) for name in self._chosen]
            if not any(changed):
                break
        overall = {name: max(chosen.weights) for name, chosen in self._chosen.items()}
        bands = [(name, band) for name, weight in overall.items() if weight for band in range(len(FREQUENCY_BUCKETS))]
        for _ in range(_BAND_ROUNDS):
            changed = [self._choose_band(name, band, overall[name]) for name, band in bands]
            if not any(changed):
                break
        return Fusion(tuple(self._chosen.values()))

    def _choose_weight(self, name: str) -> bool:
        options = [
            ChannelWeights(name, tuple(weight * part for part in shape), exponent)
            for shape in self._shapes
            for exponent in (_EXPONENTS if name in VOTES else (1.0,))
            for weight in _WEIGHTS[name]
        ]
        if any(self._chosen[name].weights):
            return self._choose([_nothing(name), *options], errors=0)
        return self._choose(options, _universal_threshold(len(options)))

    def _choose_band(self, name: str, band: int, weight: float) -> bool:
        chosen = self._chosen[name]
        values = [weight * multiplier for multiplier in _MULTIPLIERS]
        options = [
            replace(chosen, weights=(*chosen.weights[:band], value, *chosen.weights[band + 1 :]))
            for value in values
            if value != chosen.weights[band]
        ]
        return self._choose(options, _universal_threshold(len(options)))

    def _choose(self, options: Sequence[ChannelWeights], errors: float) -> bool:
        """Take the option with the highest gain above so many standard errors; tell whether there is one."""
        found, most = None, 0
        for option in options:
            outcome = self._try(option)
            gains_N = outcome.objective_N - self._reached.objective_N
            gain = int(gains_N.sum())
            if gain > most and gain > errors * _error_of_sum(gains_N) and self._is_allowed(outcome):
                found, most = (option, outcome), gain
        if found is None:
            return False
        option, self._reached = found
        self._chosen[option.name] = option
        self._terms[option.name] = option.terms_NK(self._dev.channels, self._dev.bands_NK)
        return True

    def _try(self, option: ChannelWeights | None) -> _Outcome:
        """Look what one channel's other weights lead to; terms are added in the order in which a Fusion adds them."""
        terms = dict(self._terms)
        if option:
            terms[option.name] = option.terms_NK(self._dev.channels, self._dev.bands_NK)
        return self._dev.outcome([terms[name] for name in self._chosen if name in terms])

    def _is_allowed(self, outcome: _Outcome) -> bool:
        return bool((outcome.propensity >= self._least_propensity).all())


def _nothing(name: str) -> ChannelWeights:
    return ChannelWeights(name, (0.0,) * len(FREQUENCY_BUCKETS))


def _universal_threshold(options: int) -> float:
    """Bound the largest of so many standard normal values."""
    return sqrt(2 * log(options))


def _error_of_sum(differences_N: Ints) -> float:
    """Estimate the standard error of a sum over records; unknown, and so inf, with fewer than two."""
    count = len(differences_N)
    return sqrt(count) * float(differences_N.std(ddof=1)) if count > 1 else inf
