"""A memory check before label rows are made: what this rank's share takes against what is free."""

from collections.abc import Iterator

import torch

from ..config import Config, buffers_gradients
from ..distributed import Ranks
from ..errors import ConfigError
from ..host_memory import free_on_host
from .candidates import row_shape
from .gradient import RowGradient
from .row_optimizer import row_optimizer
from .table import LabelTable, RowRange


def check_memory(config: Config, num_labels: int, encoder_width: int, ranks: Ranks, *, learning: bool) -> None:
    """Check that the label rows fit into what is free on each rank. A collective.

    One rank that is short of memory ends all, for the others would wait for it. The ranks of a node share what is free
    on its host.

    Args:
        config: Config of the run.
        num_labels: Labels of all ranks.
        encoder_width: D.
        ranks: Who shares the table.
        learning: Whether an optimiser's state, and perhaps a buffer of gradients, come with the rows.

    Raises:
        ConfigError: Rows would not fit; raised on all ranks or on none.
    """
    free = {"host": free_on_host() // ranks.on_node, "GPU": _free_on_gpu()}
    least = ranks.gather(torch.tensor([list(free.values())])).amin(dim=0).tolist()
    needed = bytes_needed(config, num_labels, encoder_width, ranks.world_size, learning=learning)
    for (place, need), left in zip(needed.items(), least, strict=True):
        if need > left:
            raise ConfigError(
                f"label rows: {_described(config, num_labels, encoder_width, ranks.world_size, learning=learning)} "
                f"take {need / 1e9:,.1f} GB{_each(ranks)}, and {left / 1e9:,.1f} GB of {place} memory are free: "
                f"use {', '.join(_remedies(config, place, learning=learning))}"
            )


def bytes_needed(
    config: Config, num_labels: int, encoder_width: int, world_size: int, *, learning: bool
) -> dict[str, int]:
    """Count the bytes that the rank with most rows keeps on its host and on its GPU, if it has one.

    Rows are made, or read, on the host; optimiser state and the buffer are made where the rows are kept. A save in the
    background needs rows and state once more on the host.
    """
    table = _shapes(config, -(-num_labels // world_size), encoder_width)
    rows = _bytes(table.vectors_RE, table.biases_R2, table.trained_R)
    everything, snapshot = rows, 0
    if learning:
        state = row_optimizer(config.labels.optimizer, table, weight_decay=0.0).state.values()
        everything += _bytes(*state)
        snapshot = _bytes(table.vectors_RE, table.biases_R2, *state) if config.checkpoint.background else 0
        if buffers_gradients(config, world_size):
            gradient = RowGradient.zeros(table)
            everything += _bytes(gradient.vectors_NE, gradient.biases_N2)
    if config.labels.placement == "device" and torch.cuda.is_available():
        return {"host": max(rows, snapshot), "GPU": everything}
    return {"host": everything + snapshot, "GPU": 0}


def _shapes(config: Config, rows: int, encoder_width: int) -> LabelTable:
    """Lay out a table on torch's meta device, where tensors have shapes and no memory."""
    width, dtype = row_shape(config, encoder_width)
    with torch.device("meta"):
        vectors_RE, biases_R2 = torch.empty(rows, width, dtype=dtype), torch.empty(rows, 2)
        return LabelTable(vectors_RE, biases_R2, torch.empty(rows, dtype=torch.bool), RowRange(0, rows))


def _bytes(*tensors: torch.Tensor) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def _free_on_gpu() -> int:
    return torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else 0


def _described(config: Config, num_labels: int, encoder_width: int, world_size: int, *, learning: bool) -> str:
    width, _ = row_shape(config, encoder_width)
    rows = f"{num_labels:,} labels x {width} in {config.labels.precision}"
    if not learning:
        return rows
    buffer = " and a buffer of gradients" if buffers_gradients(config, world_size) else ""
    snapshot = " and a copy for saves" if config.checkpoint.background else ""
    return f"{rows} with {config.labels.optimizer}{buffer}{snapshot}"


def _each(ranks: Ranks) -> str:
    return f" on each of {ranks.world_size} ranks" if ranks.world_size > 1 else ""


def _remedies(config: Config, place: str, *, learning: bool) -> Iterator[str]:
    if learning:  # a trained run's rows are what they are
        if config.labels.precision == "fp32":
            yield "labels.precision = 'bf16'"
        if config.labels.optimizer == "adam":
            yield "labels.optimizer = 'rowwise_adagrad'"
        yield "a smaller model.label_width"
        if place == "host" and config.checkpoint.background:
            yield "checkpoint.background = false"
    if place == "GPU":
        yield "labels.placement = 'host'"
    else:
        yield "a machine with more memory"
    yield "or more ranks" if place == "GPU" else "or ranks on more machines"  # those of one machine share its memory
