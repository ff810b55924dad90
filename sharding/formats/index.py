"""The sidecar index of a shard: the token count of each record and, for a tar, the offset and size of each member."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import CorruptShardError
from .arrow import ArrowShard

_TOKENS = pa.schema([("tokens", pa.uint32())])
_MEMBERS = pa.schema([*_TOKENS, ("offset", pa.uint64()), ("bytes", pa.uint32())])


@dataclass(frozen=True, eq=False)
class Members:
    """Where a tar keeps its N records.

    Attributes:
        offset: int64 [N], of a member's data in the file, in bytes.
        bytes: uint32 [N], the size of a member's data.
    """

    offset: NDArray[np.int64]
    bytes: NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class ShardIndex:
    """The sidecar index of one shard of N records.

    Attributes:
        tokens: uint32 [N], how many a record has.
        members: None for a shard without a tar.
    """

    tokens: NDArray[np.uint32]
    members: Members | None

    @classmethod
    def open(cls, path: Path) -> "ShardIndex":
        """Map a sidecar; CorruptShardError when it is none."""
        rows = ArrowShard.open(path).rows
        if rows.schema not in (_TOKENS, _MEMBERS) or any(column.null_count for column in rows.columns):
            found = ", ".join(f"{field.name} ({field.type})" for field in rows.schema)
            raise CorruptShardError(
                f"sidecar {path}: has the columns {found}: "
                "must have tokens (uint32) and, for a tar, offset (uint64) and bytes (uint32), and no null"
            )
        tokens, *members = (column.to_numpy() for column in rows.columns)
        if not members:
            return cls(tokens, None)
        offset, sizes = members
        # An offset too large for int64 becomes negative, and a negative one is in no file either.
        return cls(tokens, Members(offset.view(np.int64), sizes))


def index_rows(tokens: NDArray[np.integer], members: Members | None) -> pa.RecordBatch:
    """Lay out a sidecar's columns."""
    columns = [tokens] if members is None else [tokens, members.offset, members.bytes]
    schema = _TOKENS if members is None else _MEMBERS
    return pa.record_batch(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )
