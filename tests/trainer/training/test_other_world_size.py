"""A run that goes on with another number of ranks, or in another stage of ZeRO, is the run that never stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.engine.test_equality import assert_equal_training
from tests.trainer.training.going_on import (
    STOP,
    Trained,
    Where,
    assert_each_record_once,
    begin,
    configure,
    go_on,
    train,
)

OnRanks = Callable[..., list[Any]]

CASES = [
    *((Where(1, before), Where(1, after)) for before, after in ((1, 2), (2, 1), (2, 3), (3, 2), (4, 2), (1, 4))),
    *((Where(2, before), Where(2, after)) for before, after in ((2, 3), (3, 1))),
    *((Where(3, before), Where(3, after)) for before, after in ((2, 3), (3, 1))),
    (Where(1, 2), Where(3, 3)),
    (Where(3, 2), Where(0, 1)),
]

pytestmark = [pytest.mark.ranks, pytest.mark.nightly]


@pytest.fixture(scope="module")
def undisturbed(
    on_ranks: OnRanks, tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Path, tiny_encoder: Path
) -> tuple[Trained, Path]:
    """Train without a stop, and name the folder."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return on_ranks(train, 1, configure(tiny_dataset, tiny_encoder, 1), folder)[0], folder


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def test_losses_parameters_and_records_are_those_of_a_run_that_never_stopped(
    on_ranks: OnRanks,
    undisturbed: tuple[Trained, Path],
    tiny_dataset: Path,
    tiny_encoder: Path,
    tmp_path: Path,
    case: tuple[Where, Where],
) -> None:
    before, after = case
    wanted, folder = undisturbed
    first = on_ranks(begin, before.world_size, configure(tiny_dataset, tiny_encoder, before.stage), tmp_path)[0]
    config = configure(tiny_dataset, tiny_encoder, after.stage)
    for trained in on_ranks(go_on, after.world_size, config, tmp_path):
        assert_equal_training(trained.numbers, wanted.numbers, first)
        for losses, expected in zip(trained.losses, wanted.losses[STOP:], strict=True):
            assert losses == pytest.approx(expected, rel=1e-5)  # sums in another order
    assert_each_record_once(tmp_path, folder)
