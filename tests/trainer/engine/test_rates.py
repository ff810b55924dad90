"""Learning rates by group, in every ZeRO stage."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trainer.components import Components, tiny_config
from trainer.config import Config
from trainer.distributed import Ranks
from trainer.training.components import build_optimizer


def largest_moves(ranks: Ranks, config: Config) -> dict[str, float]:
    """Train one step of Adam, which moves what has a gradient by its learning rate."""
    parts = Components.build(config, ranks, build_optimizer)
    before = parts.numbers()
    (report,) = parts.train(1)
    return {name: float(np.abs(after - before[name]).max()) / report.lr for name, after in parts.numbers().items()}


@pytest.mark.ranks
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_slots_and_readout_learn_at_a_rate_of_their_own(
    on_ranks: Callable[..., list[Any]], tiny_dataset: Path, tiny_encoder: Path, stage: int
) -> None:
    train = {"zero_stage": stage, "weight_decay": 0.0}
    config = tiny_config(tiny_dataset, tiny_encoder, train=train, cloze={"lr_scale": 3.0, "all_masked": 0.0})
    moves, _ = on_ranks(largest_moves, 2, config)
    for name in moves.keys() - {"rows"}:
        if name.endswith("key.bias"):  # the softmax takes it out again: its gradient is rounding
            continue
        wanted = 3.0 if name.startswith(("slots.", "readout.")) else 1.0
        assert moves[name] == pytest.approx(wanted, rel=0.01), name  # Adam's epsilon, and fp32
