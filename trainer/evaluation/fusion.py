"""Late fusion: one score of a candidate from the text scan and all other channels, weighted by label frequency.

score = base + sum over channels c of weight[c, band(label)] * value[c] ** exponent[c]

Bands are those of tail.py: a channel may help labels with few training records and harm those with many.
N records, K candidates of each, L labels, B bands of labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ConfigError
from .channels import CHANNELS, LOGITS, Channels
from .frequency_buckets import FREQUENCY_BUCKETS
from .ranking import Floats, Ints

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class ChannelWeights:
    """What a channel adds to the score.

    Attributes:
        name: Name of the channel.
        weights: One for each of BANDS, at least 0.
        exponent: Above 0; 1 for logits.
    """

    name: str
    weights: tuple[float, ...]
    exponent: float = 1.0

    def terms_NK(self, channels: Channels, bands_NK: Ints) -> Floats:
        """Compute weight * value ** exponent of each candidate, in the floating type of the base."""
        values_NK = channels.others[self.name].astype(channels.base_NK.dtype, copy=False)
        weights_B = np.array(self.weights, dtype=values_NK.dtype)
        return weights_B[bands_NK] * values_NK**self.exponent


@dataclass(frozen=True)
class Fusion:
    """Weights of channels, each channel once; one that is not named has weight 0."""

    channels: tuple[ChannelWeights, ...] = ()

    @classmethod
    def none(cls) -> "Fusion":
        """Return the fusion that is the text scan itself."""
        return cls()

    @property
    def used(self) -> tuple[ChannelWeights, ...]:
        """The channels with any weight above 0: no other one needs to be computed."""
        return tuple(each for each in self.channels if any(each.weights))

    def apply(self, channels: Channels, training_records_L: Ints) -> Floats:
        """Score candidates: [N, K], in the floating type of the base, -inf where there is no candidate.

        Args:
            channels: What the channels say; those that have no weight here may be missing, or are left out.
            training_records_L: Training records of each label, by which bands are told.

        Raises:
            ConfigError: A channel that has a weight is missing.
        """
        scores_NK, bands_NK = channels.base_NK.copy(), channels.bands_NK(training_records_L)
        for each in self.used:
            if each.name not in channels.others:
                there = ", ".join(sorted(channels.others)) or "none"
                raise ConfigError(
                    f"fusion.channels.{each.name}.weights = {list(each.weights)}: must be 0 for a channel without "
                    f"values, and there are values of {there}: turn the channel on, or fit the fusion without it"
                )
            scores_NK += each.terms_NK(channels, bands_NK)
        return scores_NK

    def rank(self, channels: Channels, training_records_L: Ints, depth: int) -> tuple[Ints, Floats]:
        """Order candidates by score, equal ones by label id, and keep the first.

        Returns:
            (label ids, scores), both [N, min(depth, K)], best first; behind the last candidate -1 and -inf.

        Raises:
            ConfigError: A channel that has a weight is missing.
        """
        scores_NK = self.apply(channels, training_records_L)
        order_NK = np.lexsort((channels.ids_NK, -scores_NK), axis=-1)[:, :depth]
        return np.take_along_axis(channels.ids_NK, order_NK, axis=1), np.take_along_axis(scores_NK, order_NK, axis=1)

    def to_json(self) -> dict[str, Any]:
        """Write as plain values; bands by name and bounds, so that weights are never read for other bounds."""
        return {
            "channels": {
                each.name: {
                    "exponent": each.exponent,
                    "weights": dict(zip(map(str, FREQUENCY_BUCKETS), each.weights, strict=True)),
                }
                for each in self.channels
            }
        }

    @classmethod
    def from_json(cls, tree: Any, origin: str = "fusion") -> "Fusion":
        """Read what `to_json` wrote, and check everything; `origin` is named in errors.

        Raises:
            ConfigError: A key is unknown or missing, a number is not finite or out of bounds.
        """
        channels = _keys(tree, "fusion", ("channels",), origin)["channels"]
        for name, each in _table(channels, "fusion.channels", origin).items():
            if name not in CHANNELS:
                raise _fault(f"fusion.channels.{name}", each, f"left out: channels are {', '.join(CHANNELS)}", origin)
        return cls(tuple(_read(name, each, origin) for name, each in channels.items()))


def _read(name: str, tree: Any, origin: str) -> ChannelWeights:
    key, bands = f"fusion.channels.{name}", tuple(map(str, FREQUENCY_BUCKETS))
    parts = _keys(tree, key, ("exponent", "weights"), origin)
    weights = _keys(parts["weights"], f"{key}.weights", bands, origin)
    for band in bands:
        if not _is_finite(weights[band]) or weights[band] < 0:
            raise _fault(f"{key}.weights.{band}", weights[band], "a finite number of at least 0", origin)
    exponent = parts["exponent"]
    if not _is_finite(exponent) or exponent <= 0 or (name in LOGITS and exponent != 1):
        rule = "1, as values may be negative" if name in LOGITS else "a finite number above 0"
        raise _fault(f"{key}.exponent", exponent, rule, origin)
    return ChannelWeights(name, tuple(float(weights[band]) for band in bands), float(exponent))


def _keys(tree: Any, key: str, wanted: Sequence[str], origin: str) -> dict[str, Any]:
    if set(_table(tree, key, origin)) != set(wanted):
        raise _fault(key, tree, f"an object with exactly the keys {', '.join(wanted)}", origin)
    return tree


def _table(tree: Any, key: str, origin: str) -> dict[str, Any]:
    if not isinstance(tree, dict):
        raise _fault(key, tree, "an object", origin)
    return tree


def _is_finite(value: Any) -> bool:
    """Tell whether scores, which are float32, can be multiplied by a value; NaN fails every comparison."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _fault(key: str, value: Any, rule: str, origin: str) -> ConfigError:
    return ConfigError(f"{key} = {value!r}: must be {rule} ({origin})")
