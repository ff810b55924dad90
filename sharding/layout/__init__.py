"""What lies on disk: shards, the manifest that names them, and the storage that they are read from."""
