"""The GPUs of this machine: how many ranks it has, and what DeepSpeed is told; the only module here that asks torch."""

from collections.abc import Mapping, MutableMapping

from .pods import RANKS_PER_POD
from .world import ON_NODE, count

_ALLOCATOR_SETTINGS = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF")  # the second is a newer name for all devices


def ranks_here(environment: Mapping[str, str]) -> int:
    """Count this machine's ranks before they are started, as far as they are known. ConfigError.

    A starter or a pod's manifest says how many; else there will be one for each GPU, and one without any.
    """
    if said := next((name for name in (*ON_NODE, RANKS_PER_POD) if name in environment), None):
        return count(environment, said)
    from torch import cuda  # noqa: PLC0415  # few ask

    return max(cuda.device_count(), 1)


def choose_accelerator(environment: MutableMapping[str, str]) -> None:
    """Tell DeepSpeed to use the CPU where there is no GPU, and torch not to load a compiler that nothing here uses.

    Of a GPU's memory, segments may grow: texts of other lengths in each step would leave gaps that nothing fits into.
    Takes effect only before deepspeed is imported and a GPU is used.
    """
    environment.setdefault("TORCHDYNAMO_DISABLE", "1")  # it costs 5 to 8 seconds at every start
    from torch import cuda  # noqa: PLC0415  # reads the environment that was set above

    if not cuda.is_available():
        environment.setdefault("DS_ACCELERATOR", "cpu")
    elif not any(name in environment for name in _ALLOCATOR_SETTINGS):
        environment[_ALLOCATOR_SETTINGS[0]] = "expandable_segments:True"
