"""Host memory metrics of this process, read from the kernel when they are scraped."""

import psutil

from .exporter import Telemetry


def watch_host_memory(telemetry: Telemetry) -> None:
    """Export resident and, where the kernel counts it (Linux), proportional memory.

    Ranks of a node share mapped shards: their resident memory counts them once each, the proportional one once in all.
    """
    own = psutil.Process()
    telemetry.read_when_scraped("host_memory_bytes", lambda: own.memory_info().rss, kind="resident")
    if psutil.LINUX:
        telemetry.read_when_scraped("host_memory_bytes", lambda: own.memory_full_info().pss, kind="proportional")
