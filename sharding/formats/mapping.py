"""Memory-map files for reading, without keeping their file descriptors open.

A data set may have more shards than a process may have open files.
"""

from pathlib import Path

import pyarrow as pa


def map_file(path: Path) -> pa.Buffer:
    """Map a whole file, read-only; it stays mapped as long as the buffer lives. OSError when it cannot be."""
    with pa.memory_map(str(path)) as file:
        return file.read_buffer()
