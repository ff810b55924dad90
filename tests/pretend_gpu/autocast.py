"""Autocast on the pretend GPU, as CUDA has it: some operations run in bf16, some in fp32, all others as they come."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from tests.pretend_gpu.device import NAME

_BF16 = [
    "mm",
    "matmul",
    "bmm",
    "addmm",
    "baddbmm",
    "linear",
    "addmv",
    "mv",
    "scaled_dot_product_attention",
    "chain_matmul",
    "linalg_vecdot",
    "einsum",
]
_FP32 = [
    "softplus",
    "nll_loss",
    "exp",
    "log",
    "log10",
    "log2",
    "log1p",
    "pow.Tensor_Scalar",
    "rsqrt",
    "layer_norm",
    "norm.Scalar",
    "sum",
    "sum.dim_IntList",
    "prod",
    "cumsum",
    "binary_cross_entropy_with_logits",
    "softmax.int",
    "log_softmax.int",
    "mse_loss",
    "cosine_similarity",
]
_FLOATS = (torch.float32, torch.bfloat16, torch.float16)
_AUTOCAST_KEYS = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)
_cast_once: dict[int, tuple[Tensor, Tensor]] = {}


def end_of_autocast() -> None:
    """Forget weights that were cast, as CUDA's autocast does at the end of its block."""
    _cast_once.clear()


def _cast(value: Any, dtype: torch.dtype) -> Any:
    if not isinstance(value, Tensor) or value.device.type != NAME or value.dtype not in _FLOATS or value.dtype == dtype:
        return value
    if dtype is torch.bfloat16 and value.is_leaf and value.requires_grad and torch.is_autocast_cache_enabled():
        return _cast_once.setdefault(id(value), (value, value.to(dtype)))[1]
    return value.to(dtype)


def _autocast_kernel(operation: Any, *, lower: bool) -> Callable[..., Any]:
    def kernel(*args: Any, **kwargs: Any) -> Any:
        with torch._C._ExcludeDispatchKeyGuard(_AUTOCAST_KEYS):
            dtype = torch.get_autocast_dtype(NAME) if lower else torch.float32
            args, kwargs = tree_map(lambda value: _cast(value, dtype), (args, kwargs))
            return operation(*args, **kwargs)

    return kernel


def _autocast_libraries() -> Iterator[torch.library.Library]:
    everything = torch.library.Library("_", "IMPL", "AutocastPrivateUse1")
    everything.fallback(torch.library.fallthrough_kernel)
    yield everything
    own = torch.library.Library("aten", "IMPL", "AutocastPrivateUse1")
    for name in (*_BF16, *_FP32):
        packet, _, overload = name.partition(".")
        operation = getattr(getattr(torch.ops.aten, packet), overload or "default")
        with suppress(RuntimeError):  # an operation that torch splits up before autocast sees it
            own.impl(name, _autocast_kernel(operation, lower=name in _BF16))
    yield own


_libraries = list(_autocast_libraries())  # they count as long as they live
