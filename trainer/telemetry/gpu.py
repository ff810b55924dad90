"""GPU telemetry: device time by CUDA events, memory, and peak rates.

Imports torch, so that a process comes here only when its environment is complete.
"""

import re
from functools import partial

import torch

from .exporter import Telemetry

# Dense bf16 operations a second, by the beginning of the name that the driver gives; from the vendor's data sheets.
PEAKS = {
    "NVIDIA B200": 2250e12,
    "NVIDIA GH200": 989e12,
    "NVIDIA H200 NVL": 835e12,
    "NVIDIA H200": 989e12,
    "NVIDIA H100 NVL": 835e12,
    "NVIDIA H100 PCIe": 756e12,
    "NVIDIA H100": 989e12,
    "NVIDIA A100": 312e12,
    "NVIDIA L40S": 362e12,
    "NVIDIA L4": 121e12,
    "NVIDIA A10": 125e12,
}


class CudaMarks:
    """Events in the current stream: recorded without waiting, and read once the GPU has passed them."""

    def mark(self) -> torch.cuda.Event:
        """Record an event."""
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self, earlier: torch.cuda.Event, later: torch.cuda.Event) -> float | None:
        """Time between two events; None while the later one has not been passed."""
        return earlier.elapsed_time(later) / 1000 if later.query() else None


def watch_gpu(telemetry: Telemetry, device: torch.device) -> None:
    """Time phases on a GPU and export its memory; of a CPU, nothing."""
    if device.type != "cuda":
        return
    telemetry.time_on_device(CudaMarks())
    readings = {
        "allocated": torch.cuda.memory_allocated,
        "reserved": torch.cuda.memory_reserved,
        "peak": torch.cuda.max_memory_allocated,
    }
    for kind, reading in readings.items():  # of this device: the server's thread has a current device of its own
        telemetry.read_when_scraped("device_memory_bytes", partial(reading, device), kind=kind)


def device_name(device: torch.device) -> str:
    """Name the kind of a device, as its driver does: NVIDIA H100 80GB HBM3; cpu."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def known_peak(name: str, precision: str) -> float | None:
    """Return the peak operations a second of a device; None where it is unknown, or the run does not compute in bf16.

    Under fp32 the peak depends on whether products are rounded to TF32.
    """
    if precision != "bf16":
        return None
    return next((peak for start, peak in PEAKS.items() if re.match(rf"{start}\b", name)), None)
