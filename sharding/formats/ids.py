"""A bounds check of label and token ids read from shards: only a damaged or mixed-up file exceeds them."""

import numpy as np
from numpy.typing import NDArray

from ..errors import CorruptShardError


def check_ids(shard: str, column: str, ids: NDArray[np.integer], end: int) -> None:
    """Raise a CorruptShardError unless all ids are below `end`."""
    if len(ids) and (highest := ids.max()) >= end:
        raise CorruptShardError(
            f"shard {shard}: column {column!r} holds {highest}: must be below {end}: see `lmmtc verify`, convert again"
        )
