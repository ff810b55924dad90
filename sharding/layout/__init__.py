"""The layout of a data set on disk: shards, the manifest that names them, and storage backends."""
