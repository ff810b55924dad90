"""Where shards become bytes and bytes become rows."""

from .arrow import ArrowShard as ArrowShard
from .arrow import write_shard as write_shard
