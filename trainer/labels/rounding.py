"""Stochastic rounding to bf16: up or down with the probabilities that make it exact on average.

Nearest rounding loses every update below 1/512 of a weight; most updates of a row are.
Source: Gupta, Agrawal, Gopalakrishnan, Narayanan, Deep Learning with Limited Numerical Precision, ICML 2015; for bf16
weights, Zamirai, Zhang, Aberger, De Sa, Revisiting BFloat16 Training (arXiv:2010.06192); for classifiers of many
labels, ELMO (Zhang, Ullah, Schultheis, Babbar, ICML 2025, arXiv:2510.11168).
"""

import sys
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from sharding import hash64
from sharding.order.counter_based import fold

_PURPOSE = 2
_LOW_BITS = 16  # of fp32's 23 bits of fraction, which bf16 does not have
_MULTIPLIERS = (0x7FEB352D, 0x846CA68B - (1 << 32))  # of Wellons' 32-bit mixer "lowbias32"

# SplitMix64's, as in `sharding.hash64`: an increment, and shifts with the multipliers that follow them.
_INCREMENT = np.uint64(0x9E3779B97F4A7C15)
_ROUNDS = ((30, np.uint64(0xBF58476D1CE4E5B9)), (27, np.uint64(0x94D049BB133111EB)))


def round_to_bf16(values_NE: Tensor, ids_N: Tensor, *key: int) -> Tensor:
    """Round fp32 [N, E] to what bf16 can hold, keyed by (key, label id, column): the world size does not matter.

    A value that bf16 can hold stays what it is. The numbers are still fp32: a copy into bf16 rows then takes one pass.
    """
    bits_NE = _random_bits(ids_N, values_NE, key)
    bits_NE.bitwise_right_shift_(32 - _LOW_BITS).bitwise_and_((1 << _LOW_BITS) - 1)
    raised_NE = bits_NE.add_(values_NE.contiguous().view(torch.int32))
    return raised_NE.bitwise_and_(-1 << _LOW_BITS).view(torch.float32)


def _random_bits(ids_N: Tensor, like_NE: Tensor, key: tuple[int, ...]) -> Tensor:
    """Mix a strong hash of each row and of each column, cheaply and in place: int32 [N, E]."""
    if like_NE.device.type == "cpu":
        rows_N = _low_words(hash64(_PURPOSE, *key, ids_N.cpu().numpy()))
    else:
        rows_N = hashed_there(fold(np.uint64(len(key) + 2), _PURPOSE, *key), ids_N.to(like_NE.device))
    mixed_NE = rows_N[:, None] ^ _columns(like_NE.shape[1], like_NE.device)
    for multiplier, shift in zip(_MULTIPLIERS, (15, 16), strict=True):
        unsigned_NE = (mixed_NE >> shift).bitwise_and_((1 << 32 - shift) - 1)
        mixed_NE.bitwise_xor_(unsigned_NE).mul_(multiplier)
    return mixed_NE


@lru_cache(maxsize=8)
def _columns(width: int, device: torch.device) -> Tensor:
    return _low_words(hash64(_PURPOSE, np.arange(width))).to(device)


def hashed_there(state: np.uint64, ids_N: Tensor) -> Tensor:
    """Compute the low words of `fold(state, ids)` on the device of the ids, whose integers are signed: int32 [N]."""
    mixed_N = (ids_N ^ _signed(state)).add_(_signed(_INCREMENT))
    for shift, multiplier in _ROUNDS:
        mixed_N.bitwise_xor_((mixed_N >> shift).bitwise_and_((1 << 64 - shift) - 1)).mul_(_signed(multiplier))
    mixed_N.bitwise_xor_((mixed_N >> 31).bitwise_and_((1 << 33) - 1))
    return mixed_N.view(torch.int32)[(0 if sys.byteorder == "little" else 1) :: 2].contiguous()


def _signed(word: np.uint64) -> int:
    return int(np.uint64(word).astype(np.int64))


def _low_words(words: np.ndarray) -> Tensor:
    return torch.from_numpy(words.astype(np.uint32).view(np.int32))
