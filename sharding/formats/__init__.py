"""Shard formats (Arrow, WebDataset): encoding of rows to bytes, and random access to rows."""

from .arrow import ArrowShard as ArrowShard
from .arrow import encode_arrow as encode_arrow
from .arrow import write_shard as write_shard
from .index import ShardIndex as ShardIndex
from .index import index_rows as index_rows
from .packing import encode_tar as encode_tar
from .packing import member_name as member_name
from .packing import pack as pack
from .packing import unpack as unpack
from .packing import walk_tar as walk_tar
from .shard import Shard as Shard
from .webdataset import WebdatasetShard as WebdatasetShard
