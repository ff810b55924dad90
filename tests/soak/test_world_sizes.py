"""From any number of ranks to any other, in every stage of ZeRO and from each stage to each other one."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
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

STAGES, WORLD_SIZES = range(4), range(1, 5)
CASES = [
    *((Where(stage, b), Where(stage, a)) for stage, b, a in product(STAGES, WORLD_SIZES, WORLD_SIZES)),
    *((Where(b, 2), Where(a, 3)) for b, a in permutations(STAGES, 2)),
]

pytestmark = [pytest.mark.ranks, pytest.mark.soak]


@dataclass(frozen=True)
class Runs:
    """Runs with and without a stop, each made once."""

    folder: Path
    on_ranks: OnRanks
    dataset: Path
    encoder: Path
    done: dict[tuple[str, Where], Any] = field(default_factory=dict)

    def of(self, what: Callable[..., Any], where: Where) -> tuple[Any, Path]:
        """Return what rank 0 says, and the folder of the run."""
        key, place = (what.__name__, where), self.folder / f"{what.__name__}-{where}"
        if key not in self.done:
            config = configure(self.dataset, self.encoder, where.stage)
            self.done[key] = self.on_ranks(what, where.world_size, config, place)[0]
        return self.done[key], place


@pytest.fixture(scope="module")
def runs(on_ranks: OnRanks, tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Path, tiny_encoder: Path) -> Runs:
    return Runs(tmp_path_factory.mktemp("runs"), on_ranks, tiny_dataset, tiny_encoder)


@pytest.mark.parametrize(("before", "after"), CASES, ids=str)
def test_losses_parameters_and_records_are_those_of_a_run_that_never_stopped(
    runs: Runs, tmp_path: Path, before: Where, after: Where
) -> None:
    first, begun = runs.of(begin, before)
    folder = shutil.copytree(begun, tmp_path / "run")
    config = configure(runs.dataset, runs.encoder, after.stage)
    alone, whole = runs.of(train, Where(1, 1))
    for trained in runs.on_ranks(go_on, after.world_size, config, folder):
        assert_equal_training(trained.numbers, alone.numbers, first)
        for found, wanted in zip(trained.losses, alone.losses[STOP:], strict=True):
            assert found == pytest.approx(wanted, rel=1e-5)  # sums in another order
        if before == after:
            assert_same_bits(trained, runs.of(train, after)[0])
    assert_each_record_once(folder, whole)


def assert_same_bits(trained: Trained, wanted: Trained) -> None:
    assert trained.losses == wanted.losses[STOP:]
    for name, value in wanted.numbers.items():
        np.testing.assert_array_equal(trained.numbers[name], value, err_msg=name)
