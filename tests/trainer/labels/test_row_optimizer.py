"""Row optimisers against those of torch."""

from typing import Any

import pytest
import torch
from torch import Tensor

from trainer.labels import (
    LabelTable,
    RowGradient,
    RowOptimizer,
    RowRange,
    ScanGradient,
    Stage,
    UpdateContext,
    row_optimizer,
)

ROWS, WIDTH, LR = 6, 5, 0.1


def numbers(seed: int, count: int = ROWS, width: int = WIDTH + 2) -> Tensor:
    return torch.randn(count, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def table_of(rows_RX: Tensor, dtype: torch.dtype = torch.float64) -> LabelTable:
    vectors_RE, biases_R2 = rows_RX[:, :-2].clone().to(dtype), rows_RX[:, -2:].clone()
    if dtype is not torch.float64:
        biases_R2 = biases_R2.float()
    return LabelTable(vectors_RE, biases_R2, torch.ones(len(rows_RX)).bool(), RowRange(3, 3 + len(rows_RX)))


def optimizer(name: Any, **settings: Any) -> RowOptimizer:
    return row_optimizer(name, table_of(numbers(0)), **{"weight_decay": 0.0, **settings})


def move(
    ours: RowOptimizer, rows: slice | list[int], gradient_NX: Tensor, step: int, stage: Stage = Stage.SCAN
) -> None:
    named = torch.tensor(rows) if isinstance(rows, list) else rows
    ours.update(named, RowGradient.split(gradient_NX), UpdateContext(LR, step, stage))


def rows_of(ours: RowOptimizer) -> Tensor:
    return ours.table.rows(slice(None))


def test_adam_on_named_rows_is_sparse_adam() -> None:
    reference = torch.nn.Parameter(numbers(0))
    theirs = torch.optim.SparseAdam([reference], lr=LR)
    ours = optimizer("adam")
    for step, named in enumerate(([0, 2, 3], [2], [5, 0], [2, 3, 5]), start=1):
        gradient_NX = numbers(step, len(named))
        reference.grad = torch.sparse_coo_tensor(
            torch.tensor(named)[None], gradient_NX, reference.shape, check_invariants=True
        )
        theirs.step()
        move(ours, named, gradient_NX, step)
    torch.testing.assert_close(rows_of(ours), reference.detach(), rtol=0, atol=1e-12)


def test_adam_on_a_range_is_adam() -> None:
    reference = torch.nn.Parameter(numbers(0)[1:4])
    theirs = torch.optim.Adam([reference], lr=LR)
    ours = optimizer("adam")
    for step in range(1, 5):
        reference.grad = numbers(step, 3)
        theirs.step()
        move(ours, slice(1, 4), reference.grad, step)
    # Epsilon (1e-8) stands at another place in Adam than in SparseAdam, whose rule this is.
    torch.testing.assert_close(rows_of(ours)[1:4], reference.detach(), rtol=0, atol=1e-6)
    outside = [0, 4, 5]
    assert torch.equal(rows_of(ours)[outside], numbers(0)[outside])


def test_sgd_moves_against_the_gradient() -> None:
    gradient_RX = numbers(1)
    ours = optimizer("sgd")
    move(ours, slice(0, 4), gradient_RX[:4], 1)
    move(ours, [5, 4], gradient_RX[[5, 4]], 1)
    torch.testing.assert_close(rows_of(ours), numbers(0) - LR * gradient_RX, rtol=0, atol=1e-15)


def test_rowwise_adagrad_divides_by_the_root_of_one_sum_a_vector_and_one_a_bias() -> None:
    expected, sums, bias_sums = numbers(0).tolist(), [0.0] * ROWS, [[0.0, 0.0] for _ in range(ROWS)]
    ours = optimizer("rowwise_adagrad")
    for step, named in enumerate(([0, 2, 3], [2], [5, 0]), start=1):
        gradient_NX = numbers(step, len(named))
        move(ours, named, gradient_NX, step)
        for row, gradient_X in zip(named, gradient_NX.tolist(), strict=True):
            sums[row] += sum(value * value for value in gradient_X[:WIDTH]) / WIDTH
            bias_sums[row] = [total + bias**2 for total, bias in zip(bias_sums[row], gradient_X[WIDTH:], strict=True)]
            divisors = [sums[row]] * WIDTH + bias_sums[row]
            moves = [LR * value / (total**0.5 + 1e-8) for value, total in zip(gradient_X, divisors, strict=True)]
            expected[row] = [value - by for value, by in zip(expected[row], moves, strict=True)]
    torch.testing.assert_close(rows_of(ours), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12)
    assert {name: tuple(tensor.shape) for name, tensor in ours.state.items()} == {
        "sum": (ROWS, 1),
        "bias_sum": (ROWS, 2),
    }
    move(ours, slice(1, 4), numbers(9, 3), 4)
    assert not torch.equal(ours.state["sum"][1:4, 0], torch.tensor(sums[1:4], dtype=torch.float64))


@pytest.mark.parametrize("clip", [0.0, 0.5])
@pytest.mark.parametrize("name", ["adam", "rowwise_adagrad", "sgd"])
def test_a_product_moves_rows_as_the_gradient_it_stands_for_does(name: str, clip: float) -> None:
    errors_QC, queries_QE, weights_Q = numbers(1, 3, 4), numbers(2, 3, WIDTH), numbers(3, 3, 1)[:, 0].abs()
    gradient_CX = torch.zeros(4, WIDTH + 2, dtype=torch.float64)
    gradient_CX[:, :WIDTH] = (errors_QC * weights_Q[:, None]).T @ queries_QE
    gradient_CX[:, WIDTH] = (errors_QC * weights_Q[:, None]).sum(dim=0)
    whole, product = (optimizer(name, weight_decay=0.3, clip=clip) for _ in range(2))
    for step in (1, 2):
        move(whole, slice(1, 5), gradient_CX, step)
        scanned = ScanGradient(errors_QC, queries_QE * weights_Q[:, None], weights_Q)
        product.update_by_scan(slice(1, 5), scanned, UpdateContext(LR, step, Stage.SCAN))
    torch.testing.assert_close(rows_of(product), rows_of(whole), rtol=0, atol=1e-14)


def test_a_row_moves_by_a_gradient_of_bounded_norm() -> None:
    gradient_RX = numbers(1)
    gradient_RX[0] /= 100  # the only one that is short enough
    norms = [sum(value * value for value in row) ** 0.5 for row in gradient_RX.tolist()]
    assert [norm > 0.5 for norm in norms] == [False] + [True] * 5
    bounded = torch.stack([row / max(1, norm / 0.5) for row, norm in zip(gradient_RX, norms, strict=True)])
    ours = optimizer("sgd", clip=0.5)
    move(ours, slice(0, 3), gradient_RX[:3], 1)
    move(ours, [3, 4, 5], gradient_RX[3:], 1)
    torch.testing.assert_close(rows_of(ours), numbers(0) - LR * bounded, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", ["adam", "rowwise_adagrad", "sgd"])
def test_decay_shrinks_vectors_once_a_step_and_spares_biases(name: str) -> None:
    ours, nothing = optimizer(name, weight_decay=0.5), torch.zeros(ROWS, WIDTH + 2, dtype=torch.float64)
    move(ours, slice(0, ROWS), nothing, 1)
    move(ours, list(range(ROWS)), nothing, 1, Stage.CLOZE)
    after_RX, before_RX = rows_of(ours), numbers(0)
    torch.testing.assert_close(after_RX[:, :-2], before_RX[:, :-2] * (1 - LR * 0.5), rtol=0, atol=1e-15)
    assert torch.equal(after_RX[:, -2:], before_RX[:, -2:])


@pytest.mark.parametrize("name", ["adam", "rowwise_adagrad", "sgd"])
def test_decay_spares_the_rows_of_labels_without_a_training_record(name: str) -> None:
    ours, every = optimizer(name, weight_decay=0.5), slice(0, ROWS)
    ours.table.trained_R[[1, 4]] = False
    move(ours, every, torch.zeros(ROWS, WIDTH + 2, dtype=torch.float64), 1)
    nothing = (torch.zeros(size, dtype=torch.float64) for size in ((1, ROWS), (1, WIDTH), (1,)))
    ours.update_by_scan(every, ScanGradient(*nothing), UpdateContext(LR, 2, Stage.SCAN))
    shrunk_R1 = torch.tensor([[1.0 if row in (1, 4) else 0.95**2] for row in range(ROWS)], dtype=torch.float64)
    torch.testing.assert_close(rows_of(ours)[:, :-2], numbers(0)[:, :-2] * shrunk_R1, rtol=0, atol=1e-15)


def test_a_bias_without_a_gradient_is_left_alone_by_adam() -> None:
    """The scan moves all of its biases, the cloze those of its slots: each as if the other bias were not there."""
    ours = optimizer("adam")
    columns = [torch.nn.Parameter(numbers(0)[:, [column]]) for column in (WIDTH, WIDTH + 1)]
    rules = [torch.optim.SparseAdam([column], lr=LR) for column in columns]
    for step, slots in enumerate(([0, 2, 3], [2], [5, 0], [1]), start=1):
        for rule, column, named, stage in zip(rules, (0, 1), (list(range(ROWS)), slots), Stage, strict=True):
            gradient_NX = numbers(2 * step + column, len(named))
            gradient_NX[:, WIDTH + 1 - column] = 0
            own_N1 = gradient_NX[:, [WIDTH + column]]
            columns[column].grad = torch.sparse_coo_tensor(
                torch.tensor(named)[None], own_N1, (ROWS, 1), check_invariants=True
            )
            rule.step()
            move(ours, named, gradient_NX, step, stage)
    torch.testing.assert_close(ours.table.biases_R2, torch.cat(columns, dim=1).detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("rows", [slice(1, 4), [1, 2, 3]])
@pytest.mark.parametrize("name", ["adam", "rowwise_adagrad", "sgd"])
def test_bf16_vectors_move_by_what_fp32_ones_do_on_average(name: Any, rows: slice | list[int]) -> None:
    start, gradient_NX = numbers(0).bfloat16().double(), numbers(1, 3).float()
    exact = row_optimizer(name, table_of(start, torch.float32), 0.0)
    move(exact, rows, gradient_NX, 1)
    mean_RX = torch.zeros(ROWS, WIDTH + 2, dtype=torch.float64)
    for seed in range(500):
        rounded = row_optimizer(name, table_of(start, torch.bfloat16), 0.0, seed=seed)
        move(rounded, rows, gradient_NX, 1)
        assert rounded.table.vectors_RE.dtype is torch.bfloat16
        mean_RX += rows_of(rounded).double() / 500
    vectors_RE, bits_RE = exact.table.vectors_RE.double(), exact.table.vectors_RE.view(torch.int32) >> 16
    down_RE, up_RE = ((bits_RE + more << 16).view(torch.float32).double() for more in (0, 1))
    error_RE = ((vectors_RE - down_RE) * (up_RE - vectors_RE) / 500).sqrt()
    # Four and a half standard errors for the worst of 15 means; biases and untouched rows are not rounded.
    assert bool(((mean_RX[:, :-2] - vectors_RE).abs() <= 4.5 * error_RE + 1e-6).all())
    torch.testing.assert_close(mean_RX[:, -2:], exact.table.biases_R2.double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(mean_RX[[0, 4, 5], :-2], start[[0, 4, 5], :-2], rtol=0, atol=1e-12)
