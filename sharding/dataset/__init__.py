"""A published data set that is read: its splits, the pool of mapped shards, and which labels share a chunk."""
