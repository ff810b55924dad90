"""What an engine gives as its state goes into an engine of any other stage and world size."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import AdamW

from tests.trainer.components import Components, tiny_config
from trainer.config import Config
from trainer.distributed import Ranks
from trainer.engine.state import load
from trainer.training.components import build_optimizer
from trainer.training.step import StepReport

Arrays = dict[str, np.ndarray]


def build(ranks: Ranks, config: Config) -> Components:
    return Components.build(config, ranks, build_optimizer)


def state_of(parts: Components) -> Arrays:
    return {name: tensor.numpy().copy() for name, tensor in parts.engine.state()}


def losses_of(reports: list[StepReport]) -> list[dict[str, float]]:
    return [report.losses for report in reports]


def train_two_steps(ranks: Ranks, config: Config) -> Arrays:
    parts = build(ranks, config)
    parts.train(2)
    return state_of(parts)


def load_and_train_two_more(ranks: Ranks, config: Config, saved: Arrays) -> tuple[Arrays, list[dict[str, float]]]:
    parts = build(ranks, config)
    parts.engine.load_state({name: torch.from_numpy(array) for name, array in saved.items()})
    return state_of(parts), losses_of(parts.train(4, after=2))


def train_four_steps(ranks: Ranks, config: Config) -> list[dict[str, float]]:
    return losses_of(build(ranks, config).train(4))


@pytest.fixture(scope="module")
def config(tiny_dataset: Path, tiny_encoder: Path) -> Callable[[int], Config]:
    # The rows, which are not of this state, stay as they begin.
    labels = {"lr": 1e-30}
    return lambda stage: tiny_config(
        tiny_dataset, tiny_encoder, train={"steps": 4, "zero_stage": stage, "lr": 0.01}, labels=labels
    )


@pytest.fixture(scope="module")
def uninterrupted(on_ranks: Callable[..., list[Any]], config: Callable[[int], Config]) -> list[dict[str, float]]:
    return on_ranks(train_four_steps, 1, config(0))[0]


@pytest.mark.ranks
@pytest.mark.parametrize(
    ("saved_by", "loaded_by"),
    [
        ((1, 2), (2, 1)),
        ((2, 2), (0, 1)),
        ((0, 1), (3, 2)),
        ((1, 1), (2, 2)),
        pytest.param((3, 2), (1, 2), marks=pytest.mark.nightly),
        pytest.param((3, 1), (3, 2), marks=pytest.mark.nightly),
    ],
)
def test_training_goes_on_from_a_state_under_another_stage_and_world_size(
    on_ranks: Callable[..., list[Any]],
    config: Callable[[int], Config],
    uninterrupted: list[dict[str, float]],
    saved_by: tuple[int, int],
    loaded_by: tuple[int, int],
) -> None:
    saved = on_ranks(train_two_steps, saved_by[1], config(saved_by[0]))[0]
    assert {name.partition("/")[2] for name in saved} == {"", "exp_avg", "exp_avg_sq", "step"}
    for loaded, losses in on_ranks(load_and_train_two_more, loaded_by[1], config(loaded_by[0]), saved):
        assert loaded.keys() == saved.keys()
        for name, array in saved.items():
            np.testing.assert_array_equal(loaded[name], array, err_msg=name)
        for continued, wanted in zip(losses, uninterrupted[2:], strict=True):
            # fp32 sums in another order: 1e-7 was seen; without the first moments the last losses differ by 2e-4.
            assert continued == pytest.approx(wanted, rel=5e-6)


def test_without_zero_moments_are_put_back_beside_their_parameters() -> None:
    # A device that is not the host, and is there on every machine; checkpoints are read on the host.
    parameter = nn.Parameter(torch.empty(3, device="meta"))
    optimizer = AdamW([parameter])
    saved = {"w": torch.ones(3), "w/exp_avg": torch.ones(3), "w/exp_avg_sq": torch.ones(3), "w/step": torch.tensor(2.0)}
    load(optimizer, {"w": parameter}, saved)
    devices = {key: value.device.type for key, value in optimizer.state[parameter].items()}
    assert devices == {"exp_avg": "meta", "exp_avg_sq": "meta", "step": "cpu"}
