"""On the pretend GPU: training goes on from a state that was read on the host, and what is timed is waited for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainer.distributed import Ranks

pytestmark = pytest.mark.ranks


def go_on(ranks: Ranks, dataset: Path, encoder: Path) -> set[str]:
    """Train a step, load what it left as a checkpoint is read, train another; returns where moments are."""
    from sharding import StreamState
    from tests.pretend_gpu.running import Running, config_of, device
    from trainer.engine.state import load, optimizer_state

    running = Running.build(config_of(dataset, encoder, {}), ranks, on_gpu=True)
    parameters, optimizer = dict(running.engine.module.named_parameters()), running.engine.optimizer
    with device(on_gpu=True):
        source = running.loader.steps(StreamState())
        running.step(1, next(source).micro_batches)
        saved = {name: parameter.detach().cpu() for name, parameter in parameters.items()}
        for name, parameter in parameters.items():
            saved |= {f"{name}/{key}": value.cpu() for key, value in optimizer_state(optimizer, parameter)}
        load(optimizer, parameters, saved)
        running.step(2, next(source).micro_batches)
        source.close()
    return {str(value.device) for state in optimizer.state.values() for value in state.values() if value.dim()}


def test_a_resumed_step_finds_its_moments_on_the_device(
    on_ranks: Callable[..., list[Any]], tiny_dataset: Path, tiny_encoder: Path
) -> None:
    assert on_ranks(go_on, 1, tiny_dataset, tiny_encoder) == [{"gpu:0"}]


def time_nothing(_ranks: Ranks) -> list[str]:
    from tests.pretend_gpu.device import COUNTS, DEVICE
    from trainer.calibration.calibration import _seconds

    COUNTS.reset()
    _seconds(lambda: None, DEVICE)
    return [name for name, _ in COUNTS.waits.elements()]


def test_calibration_waits_before_and_after_what_it_times(on_ranks: Callable[..., list[Any]]) -> None:
    assert on_ranks(time_nothing, 1) == [["synchronize"] * 2]
