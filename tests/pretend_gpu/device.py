"""A pretend GPU: tensors that say they are on `gpu:0` and hold a CPU tensor, for machines without a GPU.

Every operation is really computed, on the CPU, and refused where CUDA would refuse it: where it mixes a tensor of the
device with one of the host. Kernels are counted, and what makes a program wait for its GPU, with the line that did it.
A device can be registered once in a process: importing this module does, so tests import it in processes of their own.
"""

import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

NAME = "gpu"

# Operations that launch nothing: other views of the same memory, and memory that nobody has written to.
_VIEWS = frozenset(
    [
        "view",
        "_unsafe_view",
        "expand",
        "slice",
        "select",
        "transpose",
        "t",
        "permute",
        "unsqueeze",
        "squeeze",
        "detach",
        "detach_",
        "alias",
        "as_strided",
        "split",
        "split_with_sizes",
        "unbind",
        "_reshape_alias",
        "unfold",
        "diagonal",
        "view_as_real",
        "lift_fresh",
        "narrow",
        "set_",
        "empty",
        "empty_like",
        "new_empty",
        "empty_strided",
        "new_empty_strided",
        "is_pinned",
        "is_same_size",
    ]
)
# Operations whose result has a size, or a value, that the host must read.
_WAITS = frozenset(
    [
        "_local_scalar_dense",
        "nonzero",
        "masked_select",
        "_unique2",
        "unique_dim",
        "unique_consecutive",
        "bincount",
        "is_nonzero",
        "equal",
        "_linalg_check_errors",
        "multinomial",
    ]
)
_COPIES = frozenset(("_to_copy", "copy_"))
_MAY_MIX = _COPIES | {"to", "lift_fresh", "set_", "is_pinned", "detach"}
_INDEXING = frozenset(("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index", "_unsafe_index_put"))
_TAKES_SCALARS = frozenset(["where", "fill_", "masked_fill_", "masked_fill", "add", "mul", "clamp", "full_like"])


class MixedDevicesError(RuntimeError):
    """CUDA would refuse this operation."""


class Counts:
    """What was launched and waited for since the last reset, each with the line of ours that asked for it."""

    def __init__(self) -> None:
        self.kernels: Counter[tuple[str, str]] = Counter()
        self.waits: Counter[tuple[str, str]] = Counter()

    def reset(self) -> None:
        """Begin to count anew."""
        self.kernels.clear()
        self.waits.clear()

    @property
    def totals(self) -> tuple[int, int]:
        """Kernels and waits."""
        return self.kernels.total(), self.waits.total()


COUNTS = Counts()


class _Backend(backend_registration._DummyBackendModule):
    """What torch asks a device module for."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]

    def manual_seed(self, seed: int) -> None: ...

    def get_rng_state(self, device: object = None) -> Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: Tensor, device: object = None) -> None:
        torch.set_rng_state(state)

    def synchronize(self, *_: object) -> None:
        COUNTS.waits["synchronize", _line()] += 1

    def _lazy_init(self) -> None: ...


backend_registration._setup_privateuseone_for_python_backend(rename=NAME, backend_module=_Backend())
DEVICE = torch.device(NAME, 0)


class OnGpu(Tensor):
    """A tensor of the pretend GPU; `held` is the CPU tensor behind it."""

    held: Tensor

    @staticmethod
    def __new__(cls: type["OnGpu"], held: Tensor) -> Self:
        return Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device=DEVICE,
            requires_grad=False,
        )

    def __init__(self, held: Tensor) -> None:
        assert not isinstance(held, OnGpu)
        assert held.device.type == "cpu", held.device
        self.held = held

    def __repr__(self, *, tensor_contents: object = None) -> str:
        return f"OnGpu({self.held!r})"

    __torch_function__ = torch._C._disabled_torch_function_impl

    def tolist(self) -> Any:
        COUNTS.waits["tolist", _line()] += 1
        return self.held.detach().tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class PretendGpu(TorchDispatchMode):
    """Lets tensors be made on the device: `torch.zeros(3, device=DEVICE)`, `x.to(DEVICE)`."""

    def __enter__(self) -> Self:
        self._before = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device=...) then moves where a mode sees it
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        torch._C._set_only_lift_cpu_tensors(self._before)
        super().__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def held(tensor: Tensor) -> Tensor:
    """Look at a tensor's numbers without a wait."""
    return tensor.held if isinstance(tensor, OnGpu) else tensor


def to_gpu(tensor: Tensor) -> OnGpu:
    """Copy a tensor to the device, uncounted."""
    return OnGpu(tensor.detach().clone())


def move(module: nn.Module) -> None:
    """Put parameters and buffers on the device; one that modules share stays one."""
    moved: dict[int, nn.Parameter] = {}
    for part in module.modules():
        for name, parameter in part.named_parameters(recurse=False, remove_duplicate=False):
            if id(parameter) not in moved:
                moved[id(parameter)] = nn.Parameter(to_gpu(parameter), requires_grad=parameter.requires_grad)
            part._parameters[name] = moved[id(parameter)]
        for name, buffer in part.named_buffers(recurse=False):
            part._buffers[name] = to_gpu(buffer)


def _run(func: Any, args: Any, kwargs: Mapping[str, Any]) -> Any:
    name, asked = func._schema.name.split("::")[1], kwargs.get("device")
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    ours, others = _split(tensors)
    onto_gpu = bool(ours) if asked is None else torch.device(asked).type == NAME
    if not ours and not onto_gpu:
        return func(*args, **kwargs)
    if ours and others and name not in _MAY_MIX:
        _check(func, name, args, others)
    held_args, held_kwargs = tree_map(held, (args, dict(kwargs)))
    if asked is not None:
        held_kwargs["device"] = torch.device("cpu")
    out = func(*held_args, **held_kwargs)
    _count(name, args, kwargs, ours, onto_gpu=onto_gpu)
    if name in _COPIES:
        return _copied(func, name, args, kwargs, out, onto_gpu=onto_gpu)
    return out if name == "_local_scalar_dense" else _wrapped(func, args, kwargs, out)


def _copied(func: Any, name: str, args: Any, kwargs: Any, out: Any, *, onto_gpu: bool) -> Any:
    """Return a copy; one to the other memory is never the same memory, though here both are the host's."""
    source = args[0] if name == "_to_copy" else args[1]
    if name == "copy_":
        return args[0] if not isinstance(args[0], OnGpu) else _wrapped(func, args, kwargs, out)
    if isinstance(source, OnGpu) != onto_gpu and source.numel() and out.data_ptr() == held(source).data_ptr():
        out = out.clone()
    return _wrapped(func, args, kwargs, out) if onto_gpu else out


def _wrapped(func: Any, args: Any, kwargs: Any, out: Any) -> Any:
    wrapped = tree_map(lambda x: OnGpu(x) if isinstance(x, Tensor) and not isinstance(x, OnGpu) else x, out)
    try:
        return return_and_correct_aliasing(func, args, kwargs, wrapped)
    except (AssertionError, RuntimeError):  # it has no rule for this operation, whose result is then no view
        return wrapped


def _split(tensors: list[Tensor]) -> tuple[list[OnGpu], list[Tensor]]:
    return [t for t in tensors if isinstance(t, OnGpu)], [t for t in tensors if not isinstance(t, OnGpu)]


def _check(func: Any, name: str, args: Any, others: list[Tensor]) -> None:
    """Refuse what mixes the device with the host, but for what CUDA allows: numbers, and indices from the host."""
    if name in _INDEXING:
        values = [value for value in args[2:3] if isinstance(value, Tensor)]
        indices = [place for place in args[1] if place is not None]
        if isinstance(args[0], OnGpu) and all(isinstance(v, OnGpu) or v.dim() == 0 for v in values):
            COUNTS.waits.update({("index from the host", _line()): sum(not isinstance(i, OnGpu) for i in indices)})
            return
    elif all(other.dim() == 0 for other in others) and (
        torch.Tag.pointwise in func.tags or name in _TAKES_SCALARS or "foreach" in name or "_fused" in name
    ):
        return
    raise MixedDevicesError(f"{func} at {_line()}: on the host are {[tuple(other.shape) for other in others]}")


def _count(name: str, args: Any, kwargs: Mapping[str, Any], ours: list[OnGpu], *, onto_gpu: bool) -> None:
    line = _line()
    if name in _COPIES and (crossing := _crossing(name, args, kwargs, ours, onto_gpu=onto_gpu)):
        COUNTS.waits.update({(crossing, line): int(crossing != "host to device, not waited for")})
        return
    if name in _WAITS or (name == "repeat_interleave" and kwargs.get("output_size") is None):
        COUNTS.waits[name, line] += 1
    if name == "isin" and args[1].numel() >= 10 * args[0].numel() ** 0.145:  # then it sorts, and reads two sizes
        COUNTS.waits[name, line] += 2
    if name in _INDEXING:
        masks = [place for place in args[1] if isinstance(place, Tensor) and place.dtype in (torch.bool, torch.uint8)]
        COUNTS.waits.update({("indexed by a mask", line): len(masks)})
    if name not in _VIEWS and name != "_local_scalar_dense":
        COUNTS.kernels[name, line] += 1


def _crossing(name: str, args: Any, kwargs: Mapping[str, Any], ours: list[OnGpu], *, onto_gpu: bool) -> str | None:
    """Name a copy between the two memories; None for one within the device."""
    from_gpu = isinstance(args[1], OnGpu) if name == "copy_" else bool(ours)
    into_gpu = isinstance(args[0], OnGpu) if name == "copy_" else onto_gpu
    if from_gpu == into_gpu:
        return None
    if from_gpu:
        return "device to host"
    not_waited = kwargs.get("non_blocking", False) or (name == "copy_" and len(args) > 2 and args[2])
    return "host to device, not waited for" if not_waited else "host to device"


def _line() -> str:
    """Name the line of the package that is at work, and not one of this file or of torch."""
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if "/trainer/" in file and "/tests/" not in file:
            return f"{file.rpartition('/trainer/')[2]}:{frame.f_lineno}"
        frame = frame.f_back
    return "elsewhere"
