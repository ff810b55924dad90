"""A counter-based random number generator: each number is a pure hash of its key, whoever draws it.

A key is a tuple of integers such as (seed, epoch, record position), folded part by part with the finaliser of
SplitMix64 (Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014). The idea of a generator
without a state is that of Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011; the hash is
not their Philox. The values are frozen: the orders and masks of saved runs depend on them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Part = int | NDArray[np.integer[Any]]

_INCREMENT = np.uint64(0x9E3779B97F4A7C15)
_FIRST_MULTIPLIER = np.uint64(0xBF58476D1CE4E5B9)
_SECOND_MULTIPLIER = np.uint64(0x94D049BB133111EB)
_WORD = (1 << 64) - 1


def hash64(*parts: Part) -> NDArray[np.uint64]:
    """Hash a key to uint64 values of the broadcast shape of its parts; integers count modulo 2^64."""
    # Starting from the number of parts keeps a key apart from its own extensions.
    return np.asarray(fold(np.uint64(len(parts)), *parts))


def fold(state: Any, *parts: Part) -> Any:
    """Hash parts onto a state: `hash64(a, b)` is `fold(fold(2, a), b)`, for keys that begin alike."""
    with np.errstate(over="ignore"):
        for part in parts:
            state = _finalise((state ^ _words(part)) + _INCREMENT)
    return state


def uniform(*parts: Part) -> NDArray[np.float64]:
    """Draw float64 values in [0, 1) for a key, 53 random bits each, in the broadcast shape of its parts."""
    return np.asarray((hash64(*parts) >> np.uint64(11)) * 2.0**-53, dtype=np.float64)


def _words(part: Part) -> Any:
    return np.uint64(part & _WORD) if isinstance(part, int) else part.astype(np.uint64)


def _finalise(state: Any) -> Any:
    state = (state ^ (state >> np.uint64(30))) * _FIRST_MULTIPLIER
    state = (state ^ (state >> np.uint64(27))) * _SECOND_MULTIPLIER
    return state ^ (state >> np.uint64(31))
