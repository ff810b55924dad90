"""The contents of a checkpoint: dense parameters, label rows by range, and the random state of every rank."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from ..distributed import Ranks
from ..errors import CheckpointError
from ..labels import RowOptimizer, RowRange

DENSE = "dense.safetensors"

if TYPE_CHECKING:  # reading a checkpoint needs no DeepSpeed
    from ..engine import Engine


@dataclass(frozen=True)
class RunState:
    """The parts of a run that training changes.

    Attributes:
        engine: Dense parameters and their optimizer.
        rows: Label rows of this rank and their optimizer.
        range: Labels of these rows.
        ranks: The ranks that train.
    """

    engine: "Engine"
    rows: RowOptimizer
    range: RowRange
    ranks: Ranks

    def files(self, *, snapshot: bool = False) -> dict[str, dict[str, Tensor]]:
        """Collect the tensors of the files that this rank writes. A collective: rank 0 takes all dense state.

        Args:
            snapshot: Whether label rows are copied into host memory too, so that training may go on while files are
                written.

        Returns:
            Tensors by name, by file.
        """
        dense = {name: _copied(tensor) for name, tensor in self.engine.state() if self.ranks.is_first}
        rows = {name: _copied(tensor) if snapshot else tensor for name, tensor in row_tensors(self.rows).items()}
        random = {_random_name(self.ranks.rank): _random_state()}
        return ({DENSE: dense} if self.ranks.is_first else {}) | {rows_file(self.range): rows} | random


def rows_file(rows: RowRange) -> str:
    """Name the file of a range of rows; those of a checkpoint together have each row once."""
    return f"rows-{rows.start:010d}-{rows.stop:010d}.safetensors"


def row_tensors(rows: RowOptimizer) -> dict[str, Tensor]:
    """Return rows and the state of their optimiser by name."""
    return {"vectors": rows.table.vectors_RE, "biases": rows.table.biases_R2, **rows.state}


def load_state(folder: Path, state: RunState, saved_world_size: int) -> None:
    """Load a checkpoint into a run, saved under any world size.

    Random states (dropout) return only to the world size that saved them; under another they start anew.
    """
    state.engine.load_state(load_file(folder / DENSE))
    for name, tensor in row_tensors(state.rows).items():
        tensor.copy_(load_rows(folder, name, state.range))
    if saved_world_size == state.ranks.world_size:
        _restore_random_state(load_file(folder / _random_name(state.ranks.rank)))


def load_parameters(folder: Path) -> dict[str, Tensor]:
    """Load the dense parameters alone, without optimizer state."""
    with safe_open(folder / DENSE, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys() if "/" not in name}  # noqa: SIM118


def load_rows(folder: Path, name: str, wanted: RowRange) -> Tensor:
    """Load rows of the tensor `name` from the files of the ranks that saved them.

    Args:
        folder: The checkpoint.
        name: Name of the tensor.
        wanted: Labels of the rows.

    Raises:
        CheckpointError: Some of these rows are in no file.
    """
    parts = list(_overlapping(folder, name, wanted))
    rows = torch.cat(parts) if parts else torch.empty(0)
    if len(rows) != len(wanted):
        raise CheckpointError(f"{folder}: holds {len(rows)} of the label rows {wanted.start} to {wanted.stop}")
    return rows


def _overlapping(folder: Path, name: str, wanted: RowRange) -> Iterator[Tensor]:
    for path in sorted(folder.glob("rows-*.safetensors")):
        held = _rows_of(path.name)
        start, stop = max(held.start, wanted.start), min(held.stop, wanted.stop)
        if start < stop:
            with safe_open(path, "pt") as file:
                yield file.get_slice(name)[start - held.start : stop - held.start]


def needed(name: str, rank: int, wanted: RowRange) -> bool:
    """Tell whether a rank that loads these rows reads the file `name`."""
    if name.startswith("rows-"):
        held = _rows_of(name)
        return max(held.start, wanted.start) < min(held.stop, wanted.stop)
    return name in (DENSE, _random_name(rank))


def _rows_of(name: str) -> RowRange:
    first, last = (int(part) for part in name.removesuffix(".safetensors").removeprefix("rows-").split("-"))
    return RowRange(first, last)


def _copied(tensor: Tensor) -> Tensor:
    return tensor.cpu() if tensor.is_cuda else tensor.clone()


def _random_name(rank: int) -> str:
    return f"random-{rank:05d}.safetensors"


def _random_state() -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _restore_random_state(state: dict[str, Tensor]) -> None:
    torch.set_rng_state(state["cpu"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])
