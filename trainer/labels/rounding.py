"""Stochastic rounding to bf16: up or down with the probabilities that make it exact on average.

Nearest rounding loses every update below 1/512 of a weight; most updates of a row are.
Source: Gupta, Agrawal, Gopalakrishnan, Narayanan, Deep Learning with Limited Numerical Precision, ICML 2015; for bf16
weights, Zamirai, Zhang, Aberger, De Sa, Revisiting BFloat16 Training (arXiv:2010.06192); for classifiers of many
labels, ELMO (Zhang, Ullah, Schultheis, Babbar, ICML 2025, arXiv:2510.11168).
"""

import numpy as np
import torch
from torch import Tensor

from sharding import hash64

_PURPOSE = 2
_LOW_BITS = 16  # of fp32's 23 bits of fraction, which bf16 does not have
_MULTIPLIERS = (0x7FEB352D, 0x846CA68B - (1 << 32))  # of Wellons' 32-bit mixer "lowbias32"


def round_to_bf16(values_NE: Tensor, ids_N: Tensor, *key: int) -> Tensor:
    """Round fp32 [N, E] to bf16, keyed by (key, label id, column): the world size does not matter.

    A value that bf16 can hold stays what it is.
    """
    bits_NE = _random_bits(ids_N, values_NE, key)
    bits_NE.bitwise_right_shift_(32 - _LOW_BITS).bitwise_and_((1 << _LOW_BITS) - 1)
    raised_NE = bits_NE.add_(values_NE.contiguous().view(torch.int32))
    return raised_NE.bitwise_and_(-1 << _LOW_BITS).view(torch.float32).to(torch.bfloat16)


def _random_bits(ids_N: Tensor, like_NE: Tensor, key: tuple[int, ...]) -> Tensor:
    """Mix a strong hash of each row and of each column, cheaply and in place: int32 [N, E]."""
    rows_N = _low_words(hash64(_PURPOSE, *key, ids_N.cpu().numpy()))
    columns_E = _low_words(hash64(_PURPOSE, np.arange(like_NE.shape[1])))
    mixed_NE = rows_N.to(like_NE.device)[:, None] ^ columns_E.to(like_NE.device)
    for multiplier, shift in zip(_MULTIPLIERS, (15, 16), strict=True):
        unsigned_NE = (mixed_NE >> shift).bitwise_and_((1 << 32 - shift) - 1)
        mixed_NE.bitwise_xor_(unsigned_NE).mul_(multiplier)
    return mixed_NE


def _low_words(words: np.ndarray) -> Tensor:
    return torch.from_numpy(words.astype(np.uint32).view(np.int32))
