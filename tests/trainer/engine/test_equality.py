"""Training under every stage, world size and accumulation is the training that one plain graph does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trainer.engine.plainly import Result, train_plainly
from tests.trainer.parts import Parts, tiny_config
from trainer.config import Config
from trainer.distributed import Ranks

OnRanks = Callable[..., list[Any]]

# Of a parameter's change in three steps. fp32 sums in another order: 6e-6 was seen; wrong gradients are off by 0.1.
TOLERANCE = 1e-5
# Of its value: what three roundings to fp32 cost, which is much of a small change.
ROUNDING = 3 * 2**-24

pytestmark = pytest.mark.ranks


def train(ranks: Ranks, config: Config) -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
    parts = Parts.build(config, ranks)
    reports = parts.train(config.train.steps)
    return parts.numbers(), [report.losses for report in reports]


def assert_equal_training(after: dict[str, np.ndarray], wanted: dict[str, np.ndarray], before: dict[str, Any]) -> None:
    assert after.keys() == wanted.keys()
    for name, value in wanted.items():
        # Some gradients are zero but for rounding, such as those of the keys' biases.
        change = max(np.linalg.norm(value - before[name]), 1e-3)
        allowed = TOLERANCE * change + ROUNDING * np.linalg.norm(value)
        assert np.linalg.norm(after[name] - value) <= allowed, name


@pytest.fixture(scope="module")
def config(tiny_dataset: Path, tiny_encoder: Path) -> Config:
    return tiny_config(tiny_dataset, tiny_encoder)


@pytest.fixture(scope="module")
def plain(config: Config) -> Result:
    return train_plainly(config)


FAST = [(0, 1, 1), (0, 2, 2), (1, 1, 2), (1, 2, 1), (1, 2, 2), (2, 2, 2)]
REST = [(stage, world, steps) for stage in (0, 1, 2) for world in (1, 2) for steps in (1, 2)]


@pytest.mark.parametrize(
    ("stage", "world_size", "accumulation"),
    [*FAST, *(pytest.param(*case, marks=pytest.mark.slow) for case in REST if case not in FAST)],
)
def test_three_steps_are_those_of_one_plain_graph(
    on_ranks: OnRanks, config: Config, plain: Result, stage: int, world_size: int, accumulation: int
) -> None:
    micro_batch = config.train.global_batch // world_size // accumulation
    distributed = with_train(config, zero_stage=stage, micro_batch=micro_batch)
    for after, losses in on_ranks(train, world_size, distributed):
        assert_equal_training(after, plain.after, plain.before)
        for step, terms in zip(losses, plain.losses, strict=True):
            assert step == pytest.approx(terms | {"total": step["total"]}, rel=1e-5)


@pytest.mark.parametrize(
    "sections",
    [
        pytest.param({"labels": {"buffer_gradients": False}}, id="fused row updates"),
        pytest.param({"cloze": {"enabled": False}}, id="scan and MLM alone"),
        pytest.param({"mlm": {"weight": 0.0}}, id="no MLM"),
    ],
)
def test_two_ranks_train_as_one_does_without_some_parts(
    on_ranks: OnRanks, tiny_dataset: Path, tiny_encoder: Path, plain: Result, sections: dict[str, dict[str, Any]]
) -> None:
    config = tiny_config(tiny_dataset, tiny_encoder, **sections)
    ((alone, _),) = on_ranks(train, 1, config)
    for together, _ in on_ranks(train, 2, with_train(config, zero_stage=2)):
        assert_equal_training(together, alone, plain.before)


def with_train(config: Config, **values: Any) -> Config:
    return config.model_copy(update={"train": config.train.model_copy(update=values)})
