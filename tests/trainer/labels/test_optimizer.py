"""Row optimisers against those of torch."""

import pytest
import torch
from torch import Tensor

from trainer.labels import RowOptimizer, row_optimizer

ROWS, WIDTH, LR = 6, 5, 0.1


def some_rows(seed: int, count: int = ROWS) -> Tensor:
    return torch.randn(count, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_adam_on_named_rows_is_sparse_adam() -> None:
    rows_RX = some_rows(0)
    reference = torch.nn.Parameter(rows_RX.clone())
    theirs = torch.optim.SparseAdam([reference], lr=LR)
    ours = row_optimizer("adam", rows_RX, weight_decay=0.0)
    for step, named in enumerate(([0, 2, 3], [2], [5, 0], [2, 3, 5]), start=1):
        rows_N, gradient_NX = torch.tensor(named), some_rows(step, len(named))
        reference.grad = torch.sparse_coo_tensor(rows_N[None], gradient_NX, reference.shape, check_invariants=True)
        theirs.step()
        ours.update_rows(rows_N, gradient_NX, LR, step)
    torch.testing.assert_close(rows_RX, reference.detach(), rtol=0, atol=1e-12)


def test_adam_on_a_range_is_adam() -> None:
    rows_RX = some_rows(0)
    untouched = rows_RX.clone()
    reference = torch.nn.Parameter(rows_RX[1:4].clone())
    theirs = torch.optim.Adam([reference], lr=LR)
    ours = row_optimizer("adam", rows_RX, weight_decay=0.0)
    for step in range(1, 5):
        reference.grad = some_rows(step, 3)
        theirs.step()
        ours.update_range(1, 4, reference.grad, LR, step)
    # Epsilon (1e-8) stands at another place in Adam than in SparseAdam, whose rule this is.
    torch.testing.assert_close(rows_RX[1:4], reference.detach(), rtol=0, atol=1e-6)
    outside = [0, 4, 5]
    assert torch.equal(rows_RX[outside], untouched[outside])


def test_sgd_moves_against_the_gradient() -> None:
    rows_RX, gradient_RX = some_rows(0), some_rows(1)
    expected = rows_RX - LR * gradient_RX
    ours = row_optimizer("sgd", rows_RX, weight_decay=0.0)
    ours.update_range(0, 4, gradient_RX[:4], LR, 1)
    ours.update_rows(torch.tensor([5, 4]), gradient_RX[[5, 4]], LR, 1)
    torch.testing.assert_close(rows_RX, expected, rtol=0, atol=1e-15)


def test_rowwise_adagrad_divides_by_the_root_of_one_sum_a_row() -> None:
    rows_RX = some_rows(0)
    expected, sums = rows_RX.tolist(), [0.0] * ROWS
    ours = row_optimizer("rowwise_adagrad", rows_RX, weight_decay=0.0)
    for step, named in enumerate(([0, 2, 3], [2], [5, 0]), start=1):
        gradient_NX = some_rows(step, len(named))
        ours.update_rows(torch.tensor(named), gradient_NX, LR, step)
        for row, gradient_X in zip(named, gradient_NX.tolist(), strict=True):
            sums[row] += sum(value * value for value in gradient_X) / WIDTH
            moves = [LR * value / (sums[row] ** 0.5 + 1e-8) for value in gradient_X]
            expected[row] = [value - move for value, move in zip(expected[row], moves, strict=True)]
    torch.testing.assert_close(rows_RX, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12)
    assert ours.state["sum"].shape == (ROWS, 1)
    ours.update_range(1, 4, some_rows(9, 3), LR, 4)
    assert not torch.equal(ours.state["sum"][1:4, 0], torch.tensor(sums[1:4], dtype=torch.float64))


def test_a_row_moves_by_a_gradient_of_bounded_norm() -> None:
    rows_RX, gradient_RX = some_rows(0), some_rows(1)
    gradient_RX[0] /= 100  # the only one that is short enough
    norms = [sum(value * value for value in row) ** 0.5 for row in gradient_RX.tolist()]
    assert [norm > 0.5 for norm in norms] == [False] + [True] * 5
    expected = rows_RX - LR * torch.stack(
        [row / max(1, norm / 0.5) for row, norm in zip(gradient_RX, norms, strict=True)]
    )
    ours = row_optimizer("sgd", rows_RX, weight_decay=0.0, clip=0.5)
    ours.update_range(0, 3, gradient_RX[:3], LR, 1)
    ours.update_rows(torch.tensor([3, 4, 5]), gradient_RX[3:], LR, 1)
    # torch.renorm adds 1e-7 to a norm before it divides.
    torch.testing.assert_close(rows_RX, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", ["adam", "rowwise_adagrad", "sgd"])
def test_decay_shrinks_vectors_once_a_step_and_spares_biases(name: str) -> None:
    rows_RX = some_rows(0)
    before = rows_RX.clone()
    ours: RowOptimizer = row_optimizer(name, rows_RX, weight_decay=0.5)  # type: ignore[arg-type]
    nothing = torch.zeros_like(rows_RX)
    ours.update_range(0, ROWS, nothing, LR, 1)
    ours.update_rows(torch.arange(ROWS), nothing, LR, 1)
    torch.testing.assert_close(rows_RX[:, :-2], before[:, :-2] * (1 - LR * 0.5), rtol=0, atol=1e-15)
    assert torch.equal(rows_RX[:, -2:], before[:, -2:])
