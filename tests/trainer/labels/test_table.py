"""New label rows, and who owns which."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.labels import LabelTable, RowRange, create_table

COUNTS = np.array([90, 40, 3, 1, 0])
WIDTH = 4


@given(st.integers(0, 50), st.integers(1, 9))
def test_ranks_share_labels_out_in_order_and_evenly(num_labels: int, world_size: int) -> None:
    ranges = [RowRange.of_rank(num_labels, rank, world_size) for rank in range(world_size)]
    assert [label for own in ranges for label in range(own.start, own.stop)] == list(range(num_labels))
    assert max(map(len, ranges)) - min(map(len, ranges)) <= 1


def table(rank: int, world_size: int, seed: int = 0) -> LabelTable:
    return create_table(COUNTS, 100, WIDTH, seed, RowRange.of_rank(len(COUNTS), rank, world_size))


@pytest.mark.parametrize("world_size", [2, 3, 7])
def test_new_rows_do_not_depend_on_the_world_size(world_size: int) -> None:
    parts = [table(rank, world_size) for rank in range(world_size)]
    assert torch.equal(torch.cat([part.rows(slice(None)) for part in parts]), table(0, 1).rows(slice(None)))
    assert torch.cat([part.trained_R for part in parts]).tolist() == [True] * 4 + [False]


def test_a_new_row_is_a_small_random_vector_with_the_prior_as_scan_bias() -> None:
    rows_RX = table(0, 1).rows(slice(None))
    assert rows_RX[:2, -2].tolist() == pytest.approx([math.log(90 / 11), math.log(40 / 61)])
    assert not rows_RX[:, -1].any()
    assert not torch.equal(rows_RX[:, :-2], table(0, 1, seed=1).rows(slice(None))[:, :-2])
    many = create_table(np.ones(1000), 1000, 50, 0, RowRange(0, 1000)).rows(slice(None))[:, :-2]
    # 50,000 uniform numbers: their standard deviation is known to 0.2 %, their mean to 1e-4.
    assert float(many.std()) == pytest.approx(0.02, rel=0.01)
    assert float(many.mean()) == pytest.approx(0, abs=5e-4)
