"""A step that is not finite on one rank is skipped on all, and leaves nothing behind."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.trainer.components import Components, tiny_config
from trainer.config import Config
from trainer.distributed import Ranks
from trainer.model import LabelMaskModel
from trainer.training.components import build_optimizer

ACCUMULATION = 2

# What breaks, and in which micro-step of the second of three steps.
POISONS = [(kind, micro_step) for kind in ("gradient", "query") for micro_step in range(ACCUMULATION)]


def spoil_gradient(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
    output.register_hook(lambda gradient: gradient * torch.nan)


def spoil_query(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
    return output * torch.nan


HOOKS = {"gradient": spoil_gradient, "query": spoil_query}


@contextmanager
def poisoned(model: LabelMaskModel, kind: str, micro_step: int) -> Iterator[None]:
    """Make one forward of the query head, the micro_step-th from now, the beginning of numbers that are not finite."""
    calls = iter(range(ACCUMULATION))

    def spoil(module: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
        return HOOKS[kind](module, inputs, output) if next(calls) == micro_step else None

    handle = model.query.register_forward_hook(spoil)
    yield
    handle.remove()


def train_with_a_bad_second_step(ranks: Ranks, config: Config, poison: tuple[str, int]) -> dict[str, Any]:
    parts = Components.build(config, ranks, build_optimizer)
    first, second, third = parts.batches(3)
    parts.step(1, first)
    before = parts.numbers()
    model = parts.engine.module
    assert isinstance(model, LabelMaskModel)
    if ranks.rank == ranks.world_size - 1:
        with poisoned(model, *poison):
            report = parts.step(2, second)
    else:
        report = parts.step(2, second)
    after = parts.numbers()
    last = parts.step(3, third)
    return {
        "applied": (report.applied, last.applied),
        "unmoved": all(np.array_equal(after[name], value) for name, value in before.items()),
        "numbers": parts.numbers(),
    }


def train_without_it(ranks: Ranks, config: Config) -> dict[str, np.ndarray]:
    parts = Components.build(config, ranks, build_optimizer)
    first, _, third = parts.batches(3)
    parts.step(1, first)
    parts.step(3, third)
    return parts.numbers()


def every_poison(ranks: Ranks, config: Config) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    bad = [train_with_a_bad_second_step(ranks, config, poison) for poison in POISONS]
    return train_without_it(ranks, config), bad


@pytest.mark.ranks
@pytest.mark.parametrize(
    "stage", [0, pytest.param(1, marks=pytest.mark.nightly), 2, pytest.param(3, marks=pytest.mark.nightly)]
)
def test_a_bad_step_on_one_rank_is_as_if_it_had_never_been(
    on_ranks: Callable[..., list[Any]], tiny_dataset: Path, tiny_encoder: Path, stage: int
) -> None:
    config = tiny_config(tiny_dataset, tiny_encoder, train={"zero_stage": stage, "micro_batch": 4})
    for wanted, bad in on_ranks(every_poison, 2, config):
        for outcome in bad:
            assert outcome["applied"] == (False, True)
            assert outcome["unmoved"]
            for name, value in wanted.items():
                np.testing.assert_array_equal(outcome["numbers"][name], value, err_msg=name)
