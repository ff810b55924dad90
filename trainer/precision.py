"""The precision of matrix products, what `train.precision = "auto"` resolves to, and kernels that are deterministic."""

import os

import torch

from .config import Config
from .distributed import Ranks

_CPU = ("amx_bf16", "avx512_bf16")  # as torch.cpu.get_capabilities names them


def multiplies_bf16(device: torch.device) -> bool:
    """Tell whether a device has instructions that multiply bf16: elsewhere fp32 is as fast, or faster.

    GPUs: NVIDIA's from compute capability 8.0 on, and AMD's. CPUs: those with AMX tiles or AVX-512 instructions for it;
    of ARM it is not known which is faster, and the answer is no.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and any(torch.cpu.get_capabilities().get(name, False) for name in _CPU)


def with_precision(config: Config, ranks: Ranks) -> Config:
    """Replace `auto` by the precision of this run: bf16 if the devices of all ranks multiply in it, else fp32.

    A collective. Ranks must agree, because ZeRO sends gradients in the type of the products, and no rank knows the
    devices of others. Other settings are returned as they are.
    """
    if config.train.precision != "auto":
        return config
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    able = ranks.sum(torch.tensor([int(multiplies_bf16(device))], device=device))
    return config.in_precision("bf16" if int(able) == ranks.world_size else "fp32")


def use_deterministic_kernels() -> None:
    """Let GPUs give the same bits each time: `train.deterministic`. Before the first product of this process.

    cuBLAS needs a workspace of a fixed size for that. Of fused attention, flash has such a backward; the others, which
    take a mask, have none: plain products take their place. Memory that is not written to is not filled, as torch would
    do to show that nobody reads it.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(mode=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    torch.backends.cuda.enable_mem_efficient_sdp(enabled=False)
    torch.backends.cuda.enable_cudnn_sdp(enabled=False)
