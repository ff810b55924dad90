"""Stochastic rounding: where values go, how often, and what decides it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sharding import hash64
from sharding.order.counter_based import fold
from trainer.labels.rounding import hashed_there, round_to_bf16

floats = st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False)


@given(st.lists(floats, min_size=1, max_size=8), st.integers(0, 10**6))
def test_a_value_goes_to_one_of_its_two_neighbours(values: list[float], key: int) -> None:
    values_1E = torch.tensor([values])
    rounded_1E = round_to_bf16(values_1E, torch.tensor([7]), key).float()
    down = (values_1E.view(torch.int32) >> 16 << 16).view(torch.float32)  # towards zero
    up = ((values_1E.view(torch.int32) >> 16) + 1 << 16).view(torch.float32)
    assert bool(((rounded_1E == down) | (rounded_1E == up)).all())
    held = down == values_1E
    assert torch.equal(rounded_1E[held], values_1E[held])


@pytest.mark.parametrize("share", [0.001, 0.25, 0.5, 0.999])
def test_it_goes_up_as_often_as_makes_it_right_on_average(share: float) -> None:
    rows, columns = 400, 250
    value = 1 + share * 2**-7  # bf16 has 1 and 1 + 2^-7
    rounded = round_to_bf16(torch.full((rows, columns), value), torch.arange(rows), 5).float()
    error = (share * (1 - share) / (rows * columns)) ** 0.5
    assert float((rounded > 1).double().mean()) == pytest.approx(share, abs=4 * error)
    # No row and no column is special: 4.5 standard errors for the worst of 650.
    for axis, size in ((0, rows), (1, columns)):
        spread = (share * (1 - share) / size) ** 0.5
        assert float(((rounded > 1).double().mean(dim=axis) - share).abs().max()) < 4.5 * spread + 2 / size


def test_neighbours_are_rounded_independently() -> None:
    rounded = (round_to_bf16(torch.full((500, 200), 1 + 2**-8), torch.arange(500), 5).float() > 1).double() - 0.5
    for shifted, kept in ((rounded[1:], rounded[:-1]), (rounded[:, 1:], rounded[:, :-1])):
        assert abs(float((shifted * kept).mean()) * 4) < 4 / kept.numel() ** 0.5


def test_the_key_and_the_label_decide_and_not_the_place() -> None:
    values = torch.full((6, 50), 1 + 2**-8)
    whole = round_to_bf16(values, torch.arange(6), 3, 1)
    assert torch.equal(round_to_bf16(values[4:], torch.arange(4, 6), 3, 1), whole[4:])
    for other in ((3, 2), (4, 1)):
        assert not torch.equal(round_to_bf16(values, torch.arange(6), *other), whole)


def test_values_are_rounded_where_they_are_though_ids_are_on_the_host() -> None:
    on_device = torch.empty(2, 3, device="meta")  # stands for a GPU: nothing of the host's can be added to it
    assert round_to_bf16(on_device, torch.arange(2), 5).device == on_device.device


def test_a_hash_on_a_gpu_is_that_of_the_host() -> None:
    ids = np.array([0, 1, 7, 2**31 + 3, 2**62 + 5])
    wanted = hash64(2, 5, 9, ids).astype(np.uint32).view(np.int32)
    found = hashed_there(fold(np.uint64(4), 2, 5, 9), torch.from_numpy(ids))
    assert found.tolist() == wanted.tolist()
