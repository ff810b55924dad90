"""The settings of the dense parameters' optimizer steps, `[train]`: batches, learning rate, ZeRO and precision."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .section import NonNegative, Positive, Rate, Section, Share


class TrainSection(Section):
    """The optimizer steps of the dense parameters.

    With micro_tokens, records of like length are read together, as many as fit, and at most micro_batch. A step is then
    global_batch / micro_batch micro-batches, which must be a whole number and a multiple of the world size: it has
    fewer records than global_batch where texts are long. An epoch has every record once, those of its end too.
    """

    steps: Positive
    """Optimizer steps of the whole run; the learning rate's shape spans them."""
    global_batch: Positive
    """Records of one optimizer step, over all ranks and micro-steps: a multiple of the world size."""
    micro_batch: Positive
    """Records of one rank at a time, at most; gradients are accumulated as often as that takes."""
    micro_tokens: Positive | None = None
    """Text tokens of one rank at a time, padding counted, at most; unset: equally many records, as they come."""
    lr: Rate = 5e-5
    """Peak learning rate of encoder and heads (AdamW)."""
    head_lr_scale: Rate = 1.0
    """Learning rate of the query and the MLM head, as a multiple of lr; that of what reads labels: cloze.lr_scale."""
    warmup: Share = 0.1
    """Share of all steps in which the rate rises; then it falls to zero, linearly."""
    weight_decay: NonNegative = 0.01
    """Decay of matrices; biases and norms have none."""
    clip: NonNegative = 1.0
    """Largest norm of the dense gradient; 0 switches clipping off."""
    zero_stage: Annotated[int, Field(ge=0, le=3)] = 1
    """DeepSpeed ZeRO: 0 keeps everything everywhere, 1 splits optimizer state, 2 gradients too, 3 parameters too."""
    precision: Literal["auto", "fp32", "bf16"] = "fp32"
    """bf16 runs matrix products under torch's autocast; parameters, sums and label rows stay fp32. auto is bf16 where
    the devices of all ranks multiply in it (GPUs since Ampere, CPUs with AMX or AVX-512 BF16), else fp32: the event
    `start` says which, and a run does not go on where it is the other one. fp32 gives the same numbers everywhere."""
    deterministic: bool = False
    """On GPUs, the same losses bit by bit when a step is done again, at the price of slower kernels: attention with a
    mask goes without fused ones. Label rows and CPUs are so in any case."""
    nonfinite_limit: Positive = 5
    """So many steps in a row without a finite loss and gradient end the run; fewer are skipped and counted."""

    @model_validator(mode="after")
    def _fits(self) -> "TrainSection":
        if self.micro_tokens is not None and self.global_batch % self.micro_batch:
            raise ValueError(
                f"train.global_batch = {self.global_batch}: with train.micro_tokens it must be a multiple of "
                f"train.micro_batch = {self.micro_batch}, because a step is as many micro-batches"
            )
        return self
