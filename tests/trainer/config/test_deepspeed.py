"""What DeepSpeed is told follows from our settings."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.config import Config, accumulation_steps, deepspeed_config
from trainer.errors import ConfigError


def config_of(**train: Any) -> Config:
    path = Path("somewhere")
    return Config.model_validate(
        {"run": {"folder": path}, "data": {"dataset": path}, "model": {"encoder": path}, "train": {"steps": 1} | train}
    )


@given(st.integers(1, 60), st.integers(1, 8), st.integers(1, 70))
def test_accumulation_is_the_fewest_equal_micro_batches_that_fit(share: int, world_size: int, limit: int) -> None:
    config = config_of(global_batch=share * world_size, micro_batch=limit)
    fitting = [steps for steps in range(1, share + 1) if share / steps == share // steps <= limit]
    assert accumulation_steps(config, world_size) == min(fitting)


def test_ranks_that_cannot_share_the_batch_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"train\.global_batch = 16: must be a multiple of the world size 3, so that"):
        accumulation_steps(config_of(global_batch=16, micro_batch=16), 3)


@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 5))
def test_a_budget_of_tokens_leaves_the_micro_batches_of_a_step_alone_and_shares_them(
    accumulation: int, world_size: int, limit: int
) -> None:
    total = accumulation * world_size * limit
    config = config_of(global_batch=total, micro_batch=limit, micro_tokens=100)
    assert accumulation_steps(config, world_size) == accumulation
    assert deepspeed_config(config, world_size)["train_micro_batch_size_per_gpu"] == limit


def test_ranks_that_cannot_share_the_micro_batches_of_a_step_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        accumulation_steps(config_of(global_batch=24, micro_batch=4, micro_tokens=100), 4)
    assert str(caught.value) == (
        "train.global_batch / train.micro_batch = 6 micro-batches a step: must be a multiple of the world size 4, "
        "so that every rank takes equally many"
    )


@pytest.mark.parametrize("clip", [0.0, 1.0, 0.3])
def test_clipping_is_always_written_for_deepspeed_would_clip_at_one(clip: float) -> None:
    told = deepspeed_config(config_of(global_batch=8, micro_batch=8, clip=clip), 1)
    assert told["gradient_clipping"] == clip


@given(st.integers(1, 30), st.integers(1, 4), st.integers(1, 30), st.integers(0, 2))
def test_batch_sizes_agree_with_each_other(share: int, world_size: int, limit: int, stage: int) -> None:
    told = deepspeed_config(config_of(global_batch=share * world_size, micro_batch=limit, zero_stage=stage), world_size)
    micro_batch = told["train_micro_batch_size_per_gpu"]
    assert micro_batch <= limit
    assert micro_batch * told["gradient_accumulation_steps"] * world_size == told["train_batch_size"]
    assert told["zero_optimization"]["stage"] == stage


@pytest.mark.parametrize(("precision", "autocast"), [("fp32", False), ("bf16", True)])
def test_bf16_is_autocast(precision: str, autocast: bool) -> None:  # noqa: FBT001
    told = deepspeed_config(config_of(global_batch=8, micro_batch=8, precision=precision), 1)
    assert told["torch_autocast"]["enabled"] is autocast
