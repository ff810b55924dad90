"""Random access to the rows of a WebDataset tar: members are found by the sidecar index, without walking the tar.

What the tar says of its members is never followed. A member is reached by the sidecar's offset, which is inside the
file, and read by its header, which has to agree with the sidecar.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import CorruptShardError
from ..records import shard_schema
from .index import Members, ShardIndex
from .packing import BLOCK, HEADER_BYTES, HEADER_WORDS, PACKED_COLUMNS, TOKEN_TYPES, are_headers, section_ends
from .shard import map_file

_NAMES = shard_schema(1 << 16).names  # the same for tokens of any width
_HEADER = np.arange(HEADER_WORDS)
_LARGEST_OFFSET = 2**31 - 1


class WebdatasetShard:
    """A memory-mapped tar; reading touches only the pages of the rows that are asked for."""

    def __init__(self, path: Path, content: pa.Buffer, members: Members, tokens: NDArray[np.uint32]) -> None:
        self.num_rows = len(tokens)
        self._path = path
        self._bytes = memoryview(content)
        self._words = np.frombuffer(content, "<u4")
        self._members = members
        self._tokens = tokens
        self._token_bytes = int(self._words[members.offset[0] // 4 + 1])

    @classmethod
    def open(cls, path: Path, index: ShardIndex) -> "WebdatasetShard":
        """Map a tar; CorruptShardError when it cannot be what the sidecar describes."""
        try:
            content = map_file(path)
        except (OSError, pa.ArrowException) as error:
            raise CorruptShardError(f"shard {path}: cannot be read: {error}") from error
        return cls(path, content, _checked(path, content.size, index.members), index.tokens)

    @property
    def rows(self) -> pa.RecordBatch:
        """All rows, copied out."""
        return self.take(np.arange(self.num_rows), _NAMES)

    def take(self, rows: NDArray[np.int64], columns: Sequence[str]) -> pa.RecordBatch:
        """Copy out at least one row, in the order asked for.

        CorruptShardError where a header and the sidecar do not agree, or an id or a text is not UTF-8.
        """
        bounds = self._bounds(rows)
        try:
            taken = [self._column(column, bounds) for column in columns]
        except pa.ArrowInvalid as error:
            raise CorruptShardError(f"shard {self._path}: cannot be read as records: {error}") from error
        return pa.RecordBatch.from_arrays(taken, names=columns)

    def _bounds(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Say where in the file the four packed columns of each row begin and end: [rows, 5]."""
        offset = self._members.offset[rows]
        headers = self._words[(offset // 4)[:, None] + _HEADER]
        if not are_headers(headers, self._token_bytes):
            raise self._contradiction()
        ends = section_ends(headers, self._token_bytes)
        if not ((ends[:, -1] == self._members.bytes[rows]) & (headers[:, 3] == self._tokens[rows])).all():
            raise self._contradiction()
        return ends + offset[:, None]

    def _contradiction(self) -> CorruptShardError:
        return CorruptShardError(
            f"shard {self._path}: the header of a record is not what the sidecar says: "
            "see `lmmtc verify`, fetch both again"
        )

    def _column(self, column: str, bounds: NDArray[np.int64]) -> pa.Array:
        place = PACKED_COLUMNS.index(column)
        starts, ends = bounds[:, place], bounds[:, place + 1]
        offsets = np.zeros(len(bounds) + 1, dtype=np.int64)
        np.cumsum(ends - starts, out=offsets[1:])
        if column in {"id", "text"}:
            texts = pa.StringArray.from_buffers(len(bounds), _offsets(offsets), self._joined(starts, ends))
            texts.validate(full=True)
            return texts
        item = pa.uint32() if column == "labels" else TOKEN_TYPES[self._token_bytes]
        offsets //= item.bit_width // 8
        places = _offsets(offsets)
        items = pa.Array.from_buffers(item, offsets[-1], [None, self._joined(starts, ends)])
        return pa.Array.from_buffers(pa.list_(item), len(bounds), [None, places], children=[items])

    def _joined(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> pa.Buffer:
        # A third of the price of gathering number by number with an index array.
        pairs = zip(starts.tolist(), ends.tolist(), strict=True)
        return pa.py_buffer(b"".join([self._bytes[start:end] for start, end in pairs]))


def _offsets(ends: NDArray[np.int64]) -> pa.Buffer:
    if ends[-1] > _LARGEST_OFFSET:  # it would wrap around, and point anywhere
        raise pa.ArrowInvalid(f"{ends[-1]} bytes or numbers of one column: must be at most {_LARGEST_OFFSET} at a time")
    return pa.py_buffer(ends.astype(np.int32))


def _checked(path: Path, size: int, members: Members | None) -> Members:
    """Refuse members that are not wholly inside the file, or do not begin where those of a tar do."""
    if members is None or not len(members.offset):
        raise CorruptShardError(f"shard {path}: its sidecar tells of no member of a tar: fetch both again")
    offset, last = members.offset, size - members.bytes.astype(np.int64)
    fits = (offset >= BLOCK) & (offset % BLOCK == 0) & (offset <= last) & (members.bytes >= HEADER_BYTES)
    if size % BLOCK or not fits.all():
        raise CorruptShardError(
            f"shard {path}: has {size} bytes, and its sidecar tells of members outside, or not at a multiple of "
            f"{BLOCK}: fetch both again"
        )
    return members
