"""The state of a run in files: rows by range, dense parameters whole, random numbers of each rank."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sharding import StreamState
from tests.trainer.components import Components, tiny_config
from trainer.checkpoint import (
    CheckpointFolder,
    CheckpointMeta,
    CheckpointStore,
    load_parameters,
    load_rows,
    load_state,
    row_tensors,
)
from trainer.config import Config
from trainer.distributed import Ranks
from trainer.errors import CheckpointError
from trainer.labels import RowRange
from trainer.training.components import build_optimizer

Arrays = dict[str, np.ndarray]


def contents(parts: Components) -> Arrays:
    """Copy out everything that a checkpoint should bring back, rows whole."""
    dense = {name: tensor.numpy().copy() for name, tensor in parts.engine.state()}
    rows = {f"row/{name}": gathered(parts, tensor) for name, tensor in row_tensors(parts.state.rows).items()}
    return dense | rows


def gathered(parts: Components, tensor: torch.Tensor) -> np.ndarray:
    return parts.labels.ranks.gather_ragged(tensor).numpy().copy()


def train_and_save(ranks: Ranks, config: Config, folder: Path) -> tuple[Arrays, list[float]]:
    parts = Components.build(config, ranks, build_optimizer)
    parts.train(2)
    torch.manual_seed(100 + ranks.rank)
    guards = parts.loader.stream.guards
    store = CheckpointStore(CheckpointFolder(folder), ranks)
    store.save(CheckpointMeta(2, ranks.world_size, StreamState(), guards, {}), parts.state.files())
    return contents(parts), torch.rand(3).tolist()


def load(ranks: Ranks, config: Config, folder: Path) -> tuple[Arrays, list[float]]:
    parts = Components.build(config, ranks, build_optimizer)
    torch.manual_seed(7)
    load_state(folder / "step-00000002", parts.state, 2)
    return contents(parts), torch.rand(3).tolist()


@pytest.fixture(scope="module")
def config(tiny_dataset: Path, tiny_encoder: Path) -> Config:
    # Twelve records can be shared by one, two and three ranks.
    train = {"global_batch": 12, "zero_stage": 1}
    return tiny_config(tiny_dataset, tiny_encoder, train=train, labels={"optimizer": "adam"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(scope="module")
def saved(on_ranks: Callable[..., list[Any]], config: Config, folder: Path) -> tuple[list[Arrays], list[list[float]]]:
    states, draws = zip(*on_ranks(train_and_save, 2, config, folder), strict=True)
    return list(states), list(draws)


@pytest.mark.ranks
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_what_two_ranks_saved_any_number_of_ranks_loads(
    on_ranks: Callable[..., list[Any]],
    config: Config,
    folder: Path,
    saved: tuple[list[Arrays], list[list[float]]],
    world_size: int,
) -> None:
    states, draws = saved
    for rank, (loaded, drawn) in enumerate(on_ranks(load, world_size, config, folder)):
        assert loaded.keys() == states[0].keys()
        for name, array in states[0].items():
            np.testing.assert_array_equal(loaded[name], array, err_msg=name)
        if world_size == 2:
            assert drawn == draws[rank]
        else:
            assert drawn == torch.rand(3, generator=torch.Generator().manual_seed(7)).tolist()


@pytest.mark.ranks
@pytest.mark.usefixtures("saved")
def test_parts_of_a_checkpoint_can_be_read_alone(folder: Path) -> None:
    checkpoint = folder / "step-00000002"
    assert not [name for name in load_parameters(checkpoint) if "exp_avg" in name or name.endswith("step")]
    whole = load_rows(checkpoint, "vectors", RowRange(0, 48))
    assert torch.equal(load_rows(checkpoint, "vectors", RowRange(20, 30)), whole[20:30])
    with pytest.raises(CheckpointError, match="holds 8 of the label rows 40 to 60"):
        load_rows(checkpoint, "vectors", RowRange(40, 60))
