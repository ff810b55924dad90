"""Dense parameters and optimizer state as whole tensors, in and out of DeepSpeed's partitions.

One form for every stage and world size: moments as tensors of the parameter's shape, `step` as a number. Nothing here
is pickled, unlike DeepSpeed's own checkpoints.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from deepspeed import zero
from deepspeed.utils import (
    safe_get_full_fp32_param,
    safe_get_full_optimizer_state,
    safe_set_full_fp32_param,
    safe_set_full_optimizer_state,
    safe_set_local_fp32_param,
    safe_set_local_optimizer_state,
)
from torch import Tensor, nn

Tensors = Mapping[str, Tensor]


def whole_parameter(parameter: nn.Parameter) -> Tensor:
    """Return a parameter's value. A collective under ZeRO-3."""
    return _there(safe_get_full_fp32_param(parameter)) if _is_split(parameter) else parameter.detach()


def optimizer_state(optimizer: Any, parameter: nn.Parameter) -> Iterator[tuple[str, Tensor]]:
    """Yield (key, tensor) of one parameter; nothing before the first step. A collective under ZeRO 1, 2 and 3."""
    partitions = _partitions(optimizer)
    if partitions is None:
        yield from optimizer.state.get(parameter, {}).items()
        return
    _link(optimizer)
    flat = next(flat for flat, members in partitions if _is_in(members, parameter))
    for key, value in optimizer.optimizer.state.get(flat, {}).items():
        yield key, value if value.dim() == 0 else _there(safe_get_full_optimizer_state(parameter, key))


@torch.no_grad()
def load(optimizer: Any, parameters: Mapping[str, nn.Parameter], tensors: Tensors) -> None:
    """Put back tensors called `name` and `name/key`. A collective under ZeRO-3."""
    for name, parameter in parameters.items():
        with _gathered(parameter):
            parameter.copy_(tensors[name])
    states = {name: _state_of(name, tensors) for name in parameters}
    partitions = _partitions(optimizer)
    if partitions is None:
        for name, parameter in parameters.items():
            optimizer.state[parameter] = {key: _beside(parameter, value) for key, value in states[name].items()}
        return
    for flat, members in partitions:
        first = next(name for name, parameter in parameters.items() if _is_in(members, parameter))
        optimizer.optimizer.state[flat] = _empty_state(flat, states[first])
    _link(optimizer)
    for name, parameter in parameters.items():
        _set_partition(parameter, tensors[name], states[name])


def _set_partition(parameter: nn.Parameter, value: Tensor, state: Tensors) -> None:
    moments = {key: moment for key, moment in state.items() if moment.dim()}
    if _is_split(parameter):
        safe_set_local_fp32_param(parameter, _own_part(parameter, value))
        for key, moment in moments.items():
            safe_set_local_optimizer_state(parameter, _own_part(parameter, moment), key)
        return
    safe_set_full_fp32_param(parameter, value)
    for key, moment in moments.items():
        safe_set_full_optimizer_state(parameter, moment, key)


def _own_part(parameter: Any, value: Tensor) -> Tensor:
    """Cut out what this rank keeps under ZeRO-3, where all parts are equally long and the last is padded."""
    size, rank = parameter.ds_tensor.numel(), parameter.ds_process_group.rank()
    part = value.flatten()[rank * size : (rank + 1) * size]
    return nn.functional.pad(part, (0, size - len(part)))


def _empty_state(flat: Tensor, state: Tensors) -> dict[str, Tensor]:
    return {key: torch.zeros_like(flat) if value.dim() else value.clone() for key, value in state.items()}


def _beside(parameter: Tensor, value: Tensor) -> Tensor:
    """Copy a moment to where the parameter is; `step` is counted on the host."""
    return value.to(parameter.device, copy=True) if value.dim() else value.clone()


def _state_of(name: str, tensors: Tensors) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}


def _partitions(optimizer: Any) -> list[tuple[Tensor, list[nn.Parameter]]] | None:
    """List this rank's flat pieces with the parameters that have a part in them; None where nothing is partitioned."""
    if hasattr(optimizer, "single_partition_of_fp32_groups"):  # ZeRO 1 and 2
        return list(zip(optimizer.single_partition_of_fp32_groups, optimizer.bit16_groups, strict=True))
    if hasattr(optimizer, "fp32_partitioned_groups_flat"):  # ZeRO 3
        return list(zip(optimizer.fp32_partitioned_groups_flat, optimizer.fp16_groups, strict=True))
    return None


def _link(optimizer: Any) -> None:
    """Tell every parameter where its part of the partitions' state lies, which ZeRO 1 and 2 do too early.

    They do so once, after stepping the first group of parameters: those of all later groups would find nothing.
    """
    if hasattr(optimizer, "_lazy_init_hp_params_optimizer_state"):
        optimizer._hp_optimizer_states_linked = False  # noqa: SLF001
        optimizer._lazy_init_hp_params_optimizer_state()  # noqa: SLF001


def _gathered(parameter: nn.Parameter) -> AbstractContextManager[None]:
    return zero.GatheredParameters([parameter], modifier_rank=0) if _is_split(parameter) else nullcontext()


def _there(value: Tensor | None) -> Tensor:
    assert value is not None
    return value


def _is_split(parameter: nn.Parameter) -> bool:
    """Tell whether ZeRO-3 keeps only a part of the parameter here."""
    return hasattr(parameter, "ds_id")


def _is_in(parameters: list[nn.Parameter], parameter: nn.Parameter) -> bool:
    return any(other is parameter for other in parameters)
