"""Our checkpoints hold what DeepSpeed's own hold, bit by bit, and training goes on from either in the same way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint
from safetensors.numpy import load_file

from sharding import StreamState
from tests.trainer.checkpoint.test_contents import contents
from tests.trainer.components import Components, tiny_config
from trainer.checkpoint import CheckpointFolder, CheckpointMeta, CheckpointStore, load_state
from trainer.config import Config
from trainer.distributed import Ranks
from trainer.training.components import build_optimizer

Arrays = dict[str, np.ndarray]
Steps = tuple[Arrays, Arrays, list[dict[str, float]]]

SAVED = 3
TAG = "theirs"


def build(ranks: Ranks, config: Config) -> Components:
    return Components.build(config, ranks, build_optimizer)


def save_both(ranks: Ranks, config: Config, folder: Path) -> None:
    parts = build(ranks, config)
    parts.train(SAVED)
    meta = CheckpointMeta(SAVED, ranks.world_size, StreamState(), parts.loader.stream.guards, {})
    CheckpointStore(CheckpointFolder(folder), ranks).save(meta, parts.state.files())
    parts.engine._engine.save_checkpoint(str(folder), tag=TAG)


def go_on(ranks: Ranks, config: Config, folder: Path, whose: str) -> Steps:
    """Load ours, or of theirs all that they hold; return the state, and what two more steps make of it."""
    parts = build(ranks, config)
    load_state(folder / "step-00000003", parts.state, ranks.world_size)
    if whose == "theirs":
        # Nothing of ours stays in the dense part: other numbers are put in its place first.
        parts.engine.load_state({name: tensor + 1 for name, tensor in list(parts.engine.state())})
        path, _ = parts.engine._engine.load_checkpoint(str(folder), tag=TAG)
        assert path is not None
    loaded = contents(parts)
    losses = [report.losses for report in parts.train(SAVED + 2, after=SAVED)]
    return loaded, contents(parts), losses


@pytest.mark.ranks
@pytest.mark.slow
@pytest.mark.parametrize(
    "stage", [pytest.param(0, marks=pytest.mark.nightly), pytest.param(1, marks=pytest.mark.nightly), 2, 3]
)
# DeepSpeed's own loader unpickles, and warns of what torch thinks of that; these files are the test's own.
@pytest.mark.filterwarnings("ignore")
def test_parameters_moments_and_step_are_those_that_deepspeed_saves_and_lead_on_alike(
    on_ranks: Callable[..., list[Any]], tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path, stage: int
) -> None:
    train = {"steps": SAVED + 2, "zero_stage": stage, "lr": 0.01}
    config = tiny_config(tiny_dataset, tiny_encoder, train=train, labels={"optimizer": "adam", "lr": 0.01})
    on_ranks(save_both, 2, config, tmp_path)
    ours, theirs = (on_ranks(go_on, 2, config, tmp_path, whose) for whose in ("ours", "theirs"))
    for our, their in zip(ours, theirs, strict=True):
        assert_same(our[0], their[0])
        assert_same(our[1], their[1])
        assert our[2] == their[2]
    saved = load_file(tmp_path / "step-00000003" / "dense.safetensors")
    assert {name.partition("/")[2] for name in saved} == {"", "exp_avg", "exp_avg_sq", "step"}
    assert_same(saved, {name: array for name, array in theirs[0][0].items() if not name.startswith("row/")})
    assert {saved[name].item() for name in saved if name.endswith("/step")} == {float(SAVED)}
    if stage:  # at stage 0 there are no files of an optimizer apart
        masters = get_fp32_state_dict_from_zero_checkpoint(str(tmp_path), tag=TAG)  # with all names of a shared one
        dense = {name: array for name, array in saved.items() if "/" not in name}
        assert_same(dense, {name: masters[name].detach().numpy() for name in dense})


def assert_same(ones: Arrays, others: Arrays) -> None:
    """Compare to the bit."""
    assert ones.keys() == others.keys()
    for name, array in ones.items():
        np.testing.assert_array_equal(array, others[name], err_msg=name, strict=True)
