"""What is known of a device. There is no GPU where tests run: of CUDA, only what needs none."""

import pytest
import torch

from trainer.telemetry import Telemetry
from trainer.telemetry.gpu import device_name, known_peak, watch_gpu


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA A10", 125e12),
        ("NVIDIA A10G", None),  # another chip than the A10
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L40", None),
        ("cpu", None),
    ],
)
def test_a_peak_is_known_by_the_whole_name_of_a_chip(name: str, peak: float | None) -> None:
    assert known_peak(name, "bf16") == peak


def test_no_peak_is_known_of_fp32() -> None:
    assert known_peak("NVIDIA H100 80GB HBM3", "fp32") is None


def test_a_cpu_has_a_name_and_no_device_metrics() -> None:
    telemetry = Telemetry.serve(None, is_first_rank=True)
    watch_gpu(telemetry, torch.device("cpu"))
    with telemetry.phase("scan"):
        pass
    telemetry.step_done(records=1, tokens=1, slots=1, seconds=1)
    memory = telemetry._instruments.gauges["device_memory_bytes"]
    assert not next(iter(memory.collect())).samples
    assert device_name(torch.device("cpu")) == "cpu"
    telemetry.close()
