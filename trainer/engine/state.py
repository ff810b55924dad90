"""Optimizer state per parameter, whole, in and out of DeepSpeed's partitions.

One form for every stage and world size: moments as tensors of the parameter's shape, `step` as a number. Nothing here
is pickled, unlike DeepSpeed's own checkpoints.
"""

from collections.abc import Iterator
from typing import Any

import torch
from deepspeed.utils import safe_get_full_optimizer_state, safe_set_full_fp32_param, safe_set_full_optimizer_state
from torch import Tensor, nn


def optimizer_state(optimizer: Any, parameter: nn.Parameter) -> Iterator[tuple[str, Tensor]]:
    """Yield (key, tensor) of one parameter; nothing before the first step. A collective under ZeRO 1 and 2."""
    if not _is_partitioned(optimizer):
        yield from optimizer.state.get(parameter, {}).items()
        return
    _link(optimizer)
    for key, value in _partition_state(optimizer, parameter).items():
        whole = value if value.dim() == 0 else safe_get_full_optimizer_state(parameter, key)
        assert whole is not None
        yield key, whole


def load_optimizer_state(optimizer: Any, parameters: dict[str, nn.Parameter], tensors: dict[str, Tensor]) -> None:
    """Put back `name/key` tensors; the parameters themselves have been set already."""
    states = {name: _of_parameter(name, tensors) for name in parameters}
    if not _is_partitioned(optimizer):
        for name, parameter in parameters.items():
            optimizer.state[parameter] = {key: value.clone() for key, value in states[name].items()}
        return
    for group, flat in enumerate(optimizer.single_partition_of_fp32_groups):
        names = [name for name, parameter in parameters.items() if _is_in(optimizer.bit16_groups[group], parameter)]
        optimizer.optimizer.state[flat] = {
            key: value.clone() if value.dim() == 0 else torch.zeros_like(flat)
            for key, value in states[names[0]].items()
        }
    _link(optimizer)
    for name, parameter in parameters.items():
        safe_set_full_fp32_param(parameter, tensors[name])
        for key, value in states[name].items():
            if value.dim():
                safe_set_full_optimizer_state(parameter, value, key)


def _of_parameter(name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}


def _is_partitioned(optimizer: Any) -> bool:
    return hasattr(optimizer, "single_partition_of_fp32_groups")


def _partition_state(optimizer: Any, parameter: nn.Parameter) -> dict[str, Tensor]:
    """Return the state of the partition that this rank keeps for the parameter's group."""
    for group, flat in enumerate(optimizer.single_partition_of_fp32_groups):
        if _is_in(optimizer.bit16_groups[group], parameter):
            return optimizer.optimizer.state.get(flat, {})
    raise AssertionError("every trained parameter is in a group")


def _link(optimizer: Any) -> None:
    """Tell every parameter where its part of the partitions' state lies.

    DeepSpeed does so once, after stepping the first group of parameters: those of all later groups would find nothing.
    """
    optimizer._hp_optimizer_states_linked = False  # noqa: SLF001
    optimizer._lazy_init_hp_params_optimizer_state()  # noqa: SLF001


def _is_in(parameters: list[nn.Parameter], parameter: nn.Parameter) -> bool:
    return any(other is parameter for other in parameters)
