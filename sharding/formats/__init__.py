"""Shard formats (Arrow, WebDataset): encoding of rows to bytes, and random access to rows."""

from .arrow import ArrowShard as ArrowShard
from .arrow import encode_arrow as encode_arrow
from .arrow import write_shard as write_shard
from .index import ShardIndex as ShardIndex
from .index import index_rows as index_rows
from .packing import pack as pack
from .packing import unpack as unpack
from .shard import Shard as Shard
from .tar import encode_tar as encode_tar
from .tar import member_name as member_name
from .tar import walk_tar as walk_tar
from .webdataset import WebdatasetShard as WebdatasetShard
