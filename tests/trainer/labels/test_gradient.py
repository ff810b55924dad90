"""Sums of row gradients that do not depend on the order in which threads come."""

import pytest
import torch

from trainer.labels.gradient import sum_rows, sum_sorted


@pytest.mark.parametrize(("values", "rows"), [(200, 17), (3, 50), (0, 4), (5, 1)])
def test_sums_of_sorted_rows_are_those_of_one_after_the_other_bit_by_bit(values: int, rows: int) -> None:
    torch.manual_seed(values)
    places_N, values_NX = torch.randint(rows, (values,)), torch.randn(values, 7)
    wanted = torch.zeros(rows, 7)
    for place, value_X in zip(places_N.tolist(), values_NX, strict=True):
        wanted[place] += value_X
    assert torch.equal(sum_sorted(places_N, values_NX, rows), wanted)
    assert torch.equal(sum_rows(places_N, values_NX, rows), wanted)
