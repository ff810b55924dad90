"""Streaming serialization to safetensors, piece by piece: a save copies no tensors and can be interrupted.

The library writes a file in one go. This gives the same bytes to whoever takes them, be it a file or a bucket, sums
them on the way, and stops where the process ends.
"""

import json
from collections.abc import Iterator, Mapping
from threading import main_thread
from typing import Any

import torch
import xxhash
from torch import Tensor

from ..errors import CheckpointError

# The order is the format's own: wide types first, so that every tensor is aligned.
NAMES = {
    torch.int64: "I64",
    torch.float64: "F64",
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.uint8: "U8",
}
_ORDER = list(NAMES)
_PIECE = 8 << 20

Sums = dict[str, dict[str, Any]]


class Content:
    """The bytes of a file of tensors; `sums`, once they were all taken, says how many and their xxh3_128."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = {name: tensors[name] for name in sorted(tensors, key=lambda name: _place(name, tensors[name]))}
        self._header = _header(self._tensors)
        self.size = len(self._header) + sum(tensor.nbytes for tensor in self._tensors.values())
        self.sums: dict[str, Any] = {}

    def __iter__(self) -> Iterator[memoryview]:
        """Give the bytes, a few MiB at a time; CheckpointError once the main thread has ended."""
        digest = xxhash.xxh3_128()
        for piece in self._pieces():
            if not main_thread().is_alive():
                raise CheckpointError("the process ends")
            digest.update(piece)
            yield piece
        self.sums = {"bytes": self.size, "xxh3_128": digest.hexdigest()}

    def _pieces(self) -> Iterator[memoryview]:
        yield memoryview(self._header)
        for tensor in self._tensors.values():
            content = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
            for start in range(0, len(content), _PIECE):
                yield content[start : start + _PIECE]


def _place(name: str, tensor: Tensor) -> tuple[int, str]:
    return _ORDER.index(tensor.dtype), name


def _header(tensors: Mapping[str, Tensor]) -> bytes:
    """Say where each tensor is: the length of a JSON object, in 8 bytes, and the object, filled up to whole words."""
    entries, start = {}, 0
    for name, tensor in tensors.items():
        offsets = [start, start := start + tensor.nbytes]
        entries[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": offsets}
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
