"""What a label table takes, against the tables that are really made; and the refusal of one that does not fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sharding import Dataset
from tests.trainer.components import tiny_config
from trainer.checkpoint import row_tensors
from trainer.config import Config, buffers_gradients
from trainer.distributed import ONE_RANK, Ranks
from trainer.errors import ConfigError
from trainer.labels import RowRange, RowUpdates, check_memory, new_table, row_optimizer
from trainer.labels.memory import bytes_needed
from trainer.training.components import build_model
from trainer.training.initialize import build_table

LABELS, ENCODER_WIDTH = 7, 6
FREE = 20_100_000_000


def config(dataset: Path = Path("data"), encoder: Path = Path("encoder"), /, **sections: dict[str, Any]) -> Config:
    plain = {
        "model": {"label_width": None},
        "labels": {"buffer_gradients": False},
        "checkpoint": {"background": False},
    }
    merged = {name: plain.get(name, {}) | sections.get(name, {}) for name in plain | sections}
    return tiny_config(dataset, encoder, **merged)


@pytest.fixture
def scarce(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave 20.1 GB of the host."""
    monkeypatch.setattr("trainer.labels.memory.free_on_host", lambda: FREE)


def really_kept(settings: Config, world_size: int, *, learning: bool) -> int:
    """Make what the first of the ranks with most rows has, and count its bytes."""
    rows = RowRange(0, -(-LABELS // world_size))
    table = new_table(settings, np.ones(LABELS), 10, ENCODER_WIDTH, rows)
    tensors = [table.vectors_RE, table.biases_R2, table.trained_R]
    if learning:
        optimizer = row_optimizer(settings.labels.optimizer, table, 0.0)
        tensors += optimizer.state.values()
        buffer = RowUpdates(optimizer, fused=not buffers_gradients(settings, world_size))._buffer
        tensors += [] if buffer is None else [buffer.vectors_NE, buffer.biases_N2]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"labels": {"optimizer": "adam"}},
        {"labels": {"optimizer": "rowwise_adagrad", "precision": "bf16"}},
        {"labels": {"optimizer": "adam", "buffer_gradients": True}},
        {"labels": {"precision": "bf16"}, "train": {"micro_batch": 4}},
        {"cloze": {"slots": "all", "attention": "joint", "label_tokens": 3}},
        {"model": {"label_width": 9}},
    ],
)
@pytest.mark.parametrize("world_size", [1, 2])
@pytest.mark.parametrize("learning", [True, False])
def test_what_is_counted_is_what_is_made(
    sections: dict[str, Any], world_size: int, *, learning: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    settings = config(**sections)
    needed = bytes_needed(settings, LABELS, ENCODER_WIDTH, world_size, learning=learning)
    assert needed == {"host": really_kept(settings, world_size, learning=learning), "GPU": 0}


def test_on_a_gpu_only_rows_pass_through_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config(labels={"optimizer": "adam"})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    needed = bytes_needed(settings, LABELS, ENCODER_WIDTH, 1, learning=True)
    assert needed["host"] == really_kept(settings, 1, learning=False)
    assert needed["GPU"] == really_kept(settings, 1, learning=True)
    on_host = config(labels={"optimizer": "adam", "placement": "host"})
    assert bytes_needed(on_host, LABELS, ENCODER_WIDTH, 1, learning=True) == {"host": needed["GPU"], "GPU": 0}


def test_a_save_in_the_background_needs_rows_and_their_state_once_more_on_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting, background = (
        config(labels={"optimizer": "adam"}, checkpoint={"background": chosen}) for chosen in (False, True)
    )
    rows = RowRange(0, LABELS)
    table = new_table(waiting, np.ones(LABELS), 10, ENCODER_WIDTH, rows)
    copy = sum(tensor.nbytes for tensor in row_tensors(row_optimizer("adam", table, 0.0)).values())
    without = bytes_needed(waiting, LABELS, ENCODER_WIDTH, 1, learning=True)
    assert bytes_needed(background, LABELS, ENCODER_WIDTH, 1, learning=True)["host"] == without["host"] + copy
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert bytes_needed(background, LABELS, ENCODER_WIDTH, 1, learning=True) == {"host": copy, "GPU": without["host"]}
    assert bytes_needed(background, LABELS, ENCODER_WIDTH, 1, learning=False)["host"] < copy


@pytest.mark.usefixtures("scarce")
def test_a_copy_for_saves_that_is_too_much_can_be_done_without() -> None:
    settings = config(labels={"optimizer": "adam"}, checkpoint={"background": True})
    with pytest.raises(ConfigError) as caught:
        check_memory(settings, 2_000_000, 768, ONE_RANK, learning=True)
    assert " in fp32 with adam and a copy for saves take 37.0 GB, " in str(caught.value)
    assert ", a smaller model.label_width, checkpoint.background = false, a machine with" in str(caught.value)


@pytest.mark.usefixtures("scarce")
def test_a_table_that_is_larger_than_what_is_free_is_refused_with_the_numbers() -> None:
    with pytest.raises(ConfigError) as caught:
        check_memory(config(labels={"optimizer": "adam"}), 8_600_000, 768, ONE_RANK, learning=True)
    assert str(caught.value) == (
        "label rows: 8,600,000 labels x 768 in fp32 with adam take 79.5 GB, and 20.1 GB of host memory are free: use "
        "labels.precision = 'bf16', labels.optimizer = 'rowwise_adagrad', a smaller model.label_width, "
        "a machine with more memory, or ranks on more machines"
    )
    check_memory(config(labels={"optimizer": "adam"}), 2_000_000, 768, ONE_RANK, learning=True)


@pytest.mark.usefixtures("scarce")
def test_nothing_is_advised_that_was_done_already() -> None:
    frugal = config(labels={"optimizer": "rowwise_adagrad", "precision": "bf16", "buffer_gradients": True})
    with pytest.raises(ConfigError) as caught:
        check_memory(frugal, 8_600_000, 768, ONE_RANK, learning=True)
    assert str(caught.value) == (
        "label rows: 8,600,000 labels x 768 in bf16 with rowwise_adagrad and a buffer of gradients take 39.9 GB, and "
        "20.1 GB of host memory are free: use a smaller model.label_width, a machine with more memory, or ranks on "
        "more machines"
    )


@pytest.mark.usefixtures("scarce")
def test_the_rows_of_a_trained_run_need_no_optimiser() -> None:
    check_memory(config(), 6_500_000, 768, ONE_RANK, learning=False)
    with pytest.raises(ConfigError) as caught:
        check_memory(config(), 8_600_000, 768, ONE_RANK, learning=False)
    assert str(caught.value) == (
        "label rows: 8,600,000 labels x 768 in fp32 take 26.5 GB, and 20.1 GB of host memory are free: use a machine "
        "with more memory, or ranks on more machines"
    )


@pytest.mark.usefixtures("scarce")
def test_a_gpu_that_is_too_small_has_the_host_for_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (8_000_000_000, 80_000_000_000))
    with pytest.raises(ConfigError) as caught:
        check_memory(config(), 4_000_000, 768, ONE_RANK, learning=True)
    assert str(caught.value).endswith(
        "take 12.3 GB, and 8.0 GB of GPU memory are free: use labels.precision = 'bf16', a smaller model.label_width, "
        "labels.placement = 'host', or more ranks"
    )


def test_rows_are_refused_before_they_are_made(tiny_dataset: Path, tiny_encoder: Path) -> None:
    width = 100_000_000_000  # no machine has the 19 TB
    with pytest.raises(ConfigError, match=r"^label rows: 48 labels x 100000000000 in fp32 with sgd take 19,200\.0 GB,"):
        build_table(config(tiny_dataset, tiny_encoder), Dataset.open(tiny_dataset), ONE_RANK, width)


def refused(ranks: Ranks, settings: Config, scarce_on: int) -> str:
    """Start where one rank has 10 kB left, and the other has plenty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.labels.memory.free_on_host", lambda: 10_000 if ranks.rank == scarce_on else FREE)
        try:
            build_table(settings, Dataset.open(settings.data.dataset), ranks, build_model(settings).encoder.width)
        except ConfigError as error:
            return str(error)
    return "not refused"


@pytest.mark.ranks
def test_where_one_rank_has_too_little_all_refuse(
    on_ranks: Callable[..., list[Any]], tiny_dataset: Path, tiny_encoder: Path
) -> None:
    settings = config(tiny_dataset, tiny_encoder, model={"label_width": 1000})
    answers = on_ranks(refused, 2, settings, 1)
    assert len(set(answers)) == 1
    assert answers[0].startswith("label rows: 48 labels x 1000 in fp32 with sgd take 0.0 GB on each of 2 ranks, and")


@pytest.mark.usefixtures("scarce")
def test_the_ranks_of_a_node_share_what_is_free() -> None:
    check_memory(config(), 5_000_000, 768, Ranks(on_node=1), learning=True)
    with pytest.raises(ConfigError, match=r"take 15\.4 GB, and 10\.1 GB of host memory are free"):  # 10.05, rounded
        check_memory(config(), 5_000_000, 768, Ranks(on_node=2), learning=True)
