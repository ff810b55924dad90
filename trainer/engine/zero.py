"""The DeepSpeed engine: one model and one optimizer under ZeRO 0 to 3, forward, backward, step and state.

Source of ZeRO: Rajbhandari, Rasley, Ruwase, He, ZeRO: Memory Optimizations Toward Training Trillion Parameter Models,
SC 2020 (arXiv:1910.02054), as implemented by DeepSpeed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import deepspeed
import torch
from torch import Tensor, nn

from .state import load, optimizer_state, whole_parameter


class Engine:
    """A DeepSpeed engine, reduced to what a training step needs.

    Three rules, and wrong gradients without an error where one is broken: the model uses every parameter in every
    micro-step, `backward` is called once per micro-step (ZeRO counts each call as one), and all ranks run the same
    passes in the same order (ZeRO-2 reduces gradients in the order in which they become ready).

    Args:
        model: The model whose parameters are trained.
        optimizer: Optimizer of these parameters.
        config: DeepSpeed's configuration.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, config: dict[str, Any]) -> None:
        parts: tuple[Any, ...] = deepspeed.initialize(
            model=model, optimizer=optimizer, config=_fit_bucket(config, model), dist_init_required=False
        )
        self._engine, self._optimizer = parts[:2]
        self._watch = GradientWatch(model)
        self._casts = bool(config["torch_autocast"]["enabled"])

    @property
    def device(self) -> torch.device:
        """Where batches must be."""
        return self._engine.device

    @property
    def module(self) -> Any:
        """The model, for work outside of training steps."""
        return self._engine.module

    @property
    def accumulation(self) -> int:
        """Micro-steps in an optimizer step."""
        return self._engine.gradient_accumulation_steps()

    def forward(self, *inputs: Any) -> Any:
        """Run the model's forward."""
        return self._engine(*inputs)

    def query(self, batch: Any) -> Tensor:
        """Encode texts outside of a step, without dropout and gradients: their queries [B, E]. A collective."""
        self.module.eval()
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self._casts):
            query_BE = self.module.read(batch).query_BE
        self.module.train()
        return query_BE

    def backward(self, loss: Tensor) -> None:
        """Add this micro-step's gradients; DeepSpeed averages them over ranks and divides by the accumulation."""
        with self._watch.watching():
            self._engine.backward(loss)

    def end_micro_step(self) -> None:
        """Count a micro-step; if it is the last of its step, update the parameters."""
        self._engine.step()

    def set_learning_rate(self, lr: float) -> None:
        """Use `lr` from the next parameter update on, times the `scale` of a group that has one."""
        for group in self._optimizer.param_groups:
            group["lr"] = lr * group.get("scale", 1.0)

    def gradient_magnitude(self) -> Tensor:
        """Return a number that is finite exactly when all gradients since the last call are."""
        return self._watch.take()

    def gradient_norm(self) -> float | None:
        """Return the dense gradient's norm before clipping; None where DeepSpeed computes none (stage 0 in fp32)."""
        norm = self._engine.get_global_grad_norm()
        return None if norm is None else float(norm)

    def discard(self) -> None:
        """Drop all gradients of the current step, wherever in it we are; the next micro-step begins a new one."""
        self._watch.take()
        self._engine.zero_grad()
        self._optimizer.zero_grad(set_to_none=True)
        if hasattr(self._optimizer, "all_grad_tensors"):  # ZeRO 1 and 2 keep partitions of their own
            self._optimizer.micro_step_id = -1
            for group in self._optimizer.averaged_gradients:
                self._optimizer.averaged_gradients[group] = None
                self._optimizer.all_grad_tensors[group] = None
        self._engine.micro_steps += self.accumulation - self._engine.micro_steps % self.accumulation

    def state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield parameters as `name` and their optimizer state as `name/key`: whole tensors, the same in every stage.

        A collective: all ranks iterate, in step.
        """
        for name, parameter in self.module.named_parameters():
            yield name, whole_parameter(parameter)
            for key, value in optimizer_state(self._optimizer, parameter):
                yield f"{name}/{key}", value

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Load what `state` gave, under any world size and any stage. A collective."""
        load(self._optimizer, dict(self.module.named_parameters()), tensors)


def _fit_bucket(config: dict[str, Any], model: nn.Module) -> dict[str, Any]:
    """Let a bucket be no larger than all gradients: ZeRO allocates it whole, which is 1.9 GiB for a small encoder."""
    zero, gradients = config["zero_optimization"], sum(parameter.numel() for parameter in model.parameters())
    return config | {"zero_optimization": zero | {"reduce_bucket_size": min(gradients, zero["reduce_bucket_size"])}}


class GradientWatch:
    """Adds up the norms of gradients as they arrive; DeepSpeed frees the gradients themselves early."""

    def __init__(self, model: nn.Module) -> None:
        self._norms: list[Tensor] = []
        self._watching = False
        for parameter in model.parameters():
            parameter.register_hook(self._see)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at gradients in this block alone: a forward that takes gradients of its chunks calls the hooks too."""
        self._watching = True
        yield
        self._watching = False

    def take(self) -> Tensor:
        """Return the sum since the last call: finite exactly when every gradient was."""
        taken, self._norms = self._norms, []
        return torch.stack(taken).sum() if taken else torch.zeros(())

    def _see(self, gradient: Tensor) -> None:
        if self._watching:
            self._norms.append(torch.linalg.vector_norm(gradient, dtype=torch.float32))
