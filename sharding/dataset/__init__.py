"""Reading of a published data set: splits, the pool of mapped shards, and label chunks."""
