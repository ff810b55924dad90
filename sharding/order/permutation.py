"""A pseudorandom permutation of a range, computed one index at a time without a table: a Feistel network.

A Feistel network over Z_a x Z_b, where a is about the square root of the size and a * b the least such product that
is not below it, followed by cycle walking: an image outside the range is mapped again until it falls inside.

Source: the generalized-Feistel cipher of Black, Rogaway, Ciphers with arbitrary finite domains, CT-RSA 2002; the round
function here is a hash and no cipher.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .counter_based import fold

# Theory asks for six rounds when few points are seen (Patarin 2004), but a shuffle shows every point of a small range:
# with six, differences of neighbours were up to 11 % off uniform in ranges of 16 and 64; with sixteen, within noise.
_ROUNDS = 16

Words = NDArray[np.uint64]


def permute(index: NDArray[np.integer[Any]], size: Any, key: Any) -> NDArray[np.int64]:
    """Map each index to its image under the permutation of range(size) that `key` names.

    Args:
        index: Integers in [0, size), an array of at least one axis.
        size: Sizes of the ranges, an integer or an array; broadcast with `index`.
        key: Keys of the permutations, likewise.

    Returns:
        int64, the broadcast shape.
    """
    index, size, key = (np.array(part, dtype=np.uint64) for part in np.broadcast_arrays(index, size, key))
    image = _feistel(index, size, key)
    while (outside := image >= size).any():
        image[outside] = _feistel(image[outside], size[outside], key[outside])
    return image.astype(np.int64)


def _feistel(index: Words, size: Words, key: Words) -> Words:
    radix_a = np.ceil(np.sqrt(size)).astype(np.uint64)
    radix_b = (size + radix_a - np.uint64(1)) // radix_a
    left, right = index // radix_b, index % radix_b
    keyed = fold(np.uint64(3), key)  # what is the same in the keys (key, round, half) of all rounds
    for number in range(0, _ROUNDS, 2):
        left = (left + fold(keyed, number, right) % radix_a) % radix_a
        right = (right + fold(keyed, number + 1, left) % radix_b) % radix_b
    return left * radix_b + right
