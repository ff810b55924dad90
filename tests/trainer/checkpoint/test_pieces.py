"""Files of tensors, piece by piece: what the library writes and reads, byte for byte."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import Tensor

from sharding import xxh3_128
from trainer.checkpoint.pieces import NAMES, Content

SHAPES = st.lists(st.integers(0, 4), max_size=3)
NAMED = st.dictionaries(st.text(min_size=1, max_size=8), st.tuples(st.sampled_from(list(NAMES)), SHAPES), max_size=5)


def tensors_of(named: dict[str, tuple[torch.dtype, list[int]]]) -> dict[str, Tensor]:
    return {
        name: torch.arange(torch.Size(shape).numel()).reshape(shape).to(dtype) for name, (dtype, shape) in named.items()
    }


@given(named=NAMED)
def test_the_bytes_are_those_of_the_library(named: dict[str, tuple[torch.dtype, list[int]]]) -> None:
    tensors = tensors_of(named)
    content = Content(tensors)
    written = b"".join(content)
    assert written == save(tensors)
    assert len(written) == content.size == content.sums["bytes"]


def test_a_large_tensor_that_does_not_lie_in_a_row_is_given_in_pieces_and_summed(tmp_path: Path) -> None:
    tensor = torch.arange(6_000_000.0).reshape(2000, 3000).T
    content = Content({"transposed": tensor})
    pieces = list(content)
    assert max(map(len, pieces)) == 8 << 20
    (tmp_path / "file").write_bytes(b"".join(pieces))
    assert content.sums["xxh3_128"] == xxh3_128(tmp_path / "file")
    assert torch.equal(load(b"".join(pieces))["transposed"], tensor)


def test_a_tensor_of_a_type_that_no_checkpoint_has_is_refused() -> None:
    with pytest.raises(ValueError, match=r"torch\.complex64"):
        Content({"x": torch.zeros(2, dtype=torch.complex64)})


LEAVES = """
import time
from threading import Event
import torch
from trainer.checkpoint import Save
from trainer.checkpoint.pieces import Content
from trainer.distributed import ONE_RANK

begun = Event()

def write():
    for number, _ in enumerate(Content({"x": torch.zeros(100 << 20)})):
        print(number)
        begun.set()
        time.sleep(0.2)

Save(ONE_RANK, "somewhere", [("writing", write)])
begun.wait()
raise SystemExit(3)
"""


@pytest.mark.nightly
def test_a_process_that_ends_does_not_wait_for_the_rest() -> None:
    # All of it would be 50 pieces, and take ten seconds.
    ended = subprocess.run([sys.executable, "-c", LEAVES], capture_output=True, text=True, timeout=200, check=False)
    assert (ended.returncode, ended.stderr) == (3, "")
    assert 1 <= len(ended.stdout.splitlines()) <= 25
