"""What `train.precision = "auto"` comes to, and what deterministic kernels are told."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import pytest
import torch

from tests.ranks import run_ranks
from tests.trainer.components import tiny_config
from trainer import precision
from trainer.config import Config, deepspeed_config
from trainer.distributed import ONE_RANK, Ranks
from trainer.precision import multiplies_bf16, use_deterministic_kernels, with_precision

CPU = torch.device("cpu")


def config_in(setting: str) -> Config:
    return tiny_config(Path("data"), Path("encoder"), train={"precision": setting})


@pytest.mark.parametrize(
    ("capabilities", "answer"),
    [
        ({"amx_tile": True, "amx_bf16": True}, True),
        ({"avx512_f": True, "avx512_bf16": True}, True),
        ({"amx_tile": True, "amx_int8": True}, False),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"neon": True, "bf16": True}, False),
    ],
)
def test_a_cpu_multiplies_bf16_if_it_has_instructions_for_it(
    monkeypatch: pytest.MonkeyPatch,
    capabilities: dict[str, bool],
    answer: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: MappingProxyType(capabilities))
    assert multiplies_bf16(CPU) is answer


@pytest.mark.parametrize("answer", [True, False])
def test_of_a_gpu_torch_is_asked_and_what_it_emulates_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
    answer: bool,  # noqa: FBT001
) -> None:
    def is_supported(*, including_emulation: bool) -> bool:
        return including_emulation or answer

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    assert multiplies_bf16(torch.device("cuda")) is answer


def test_torch_says_of_this_machine_what_the_kernel_says() -> None:
    processor = Path("/proc/cpuinfo")
    if not processor.is_file():
        pytest.skip("Linux alone lists what a processor has")
    flags = processor.read_text(encoding="utf-8").split()
    assert multiplies_bf16(CPU) is bool({"amx_bf16", "avx512_bf16"} & set(flags))


@pytest.mark.parametrize(("able", "resolved"), [(True, "bf16"), (False, "fp32")])
def test_auto_is_what_the_device_multiplies_in(
    monkeypatch: pytest.MonkeyPatch,
    able: bool,  # noqa: FBT001
    resolved: str,
) -> None:
    monkeypatch.setattr(precision, "multiplies_bf16", lambda _device: able)
    config = with_precision(config_in("auto"), ONE_RANK)
    assert config == config_in(resolved)
    assert deepspeed_config(config, 1)["torch_autocast"]["enabled"] is able


@pytest.mark.parametrize("setting", ["fp32", "bf16"])
def test_what_is_named_is_used_on_any_device(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setattr(precision, "multiplies_bf16", lambda _device: setting == "fp32")
    assert with_precision(config_in(setting), ONE_RANK) == config_in(setting)


def test_without_a_word_it_is_fp32_on_every_device() -> None:
    assert tiny_config(Path("data"), Path("encoder")).train.precision == "fp32"


def resolve(ranks: Ranks, able: tuple[bool, ...]) -> str:
    precision.multiplies_bf16 = lambda _device: able[ranks.rank]
    return with_precision(config_in("auto"), ranks).train.precision


@pytest.mark.ranks
@pytest.mark.parametrize(("able", "resolved"), [((True, False), "fp32"), ((True, True), "bf16")])
def test_all_ranks_agree_on_what_the_least_of_their_devices_can_do(able: tuple[bool, ...], resolved: str) -> None:
    assert run_ranks(resolve, 2, able) == [resolved] * 2


@pytest.fixture
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    yield
    torch.use_deterministic_algorithms(mode=False)
    torch.utils.deterministic.fill_uninitialized_memory = True
    torch.backends.cuda.enable_mem_efficient_sdp(enabled=True)
    torch.backends.cuda.enable_cudnn_sdp(enabled=True)


@pytest.mark.usefixtures("_as_before")
def test_deterministic_kernels_are_asked_of_torch_and_cublas_and_attention() -> None:
    use_deterministic_kernels()
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert not torch.backends.cuda.mem_efficient_sdp_enabled()
    assert torch.backends.cuda.flash_sdp_enabled()  # it takes no mask, and its backward can be deterministic
