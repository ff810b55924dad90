"""Updates out of a buffer of gradients: which rows move, and by which rule."""

from typing import Any

import pytest
import torch
from torch import Tensor

from trainer.labels import LabelTable, RowRange, RowUpdates, ScanGradient, row_optimizer, updates
from trainer.labels.gradient import finish
from trainer.labels.updates import BlockSink

ROWS, WIDTH, LR, DECAY = 11, 3, 0.1, 0.2
UNTOUCHED = [4, 6, 7]
WEIGHTS_2 = torch.tensor([0.3, 0.7], dtype=torch.float64)


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def buffered(name: Any) -> RowUpdates:
    table = LabelTable(numbers(0, ROWS, WIDTH), numbers(1, ROWS, 2), torch.ones(ROWS).bool(), RowRange(0, ROWS))
    return RowUpdates(row_optimizer(name, table, DECAY), fused=False)


def learn(ours: RowUpdates, step: int) -> Tensor:
    """Run two micro-steps that leave three rows out; returns the gradient of all rows."""
    gradient_RX = torch.zeros(ROWS, WIDTH + 2, dtype=torch.float64)
    for micro in range(2):
        for rows in (slice(0, 4), torch.tensor([5, 8])):
            product = ScanGradient(*(numbers(9 * step + micro, 2, width) for width in (len_of(rows), WIDTH)), WEIGHTS_2)
            ours.sink(LR, step)(rows, product)
            gradient_RX[rows, :WIDTH] += product.errors_QC.T @ product.queries_QE
            gradient_RX[rows, WIDTH] += product.errors_QC.T @ WEIGHTS_2
        lookups = torch.tensor([3, 9, 10])
        cloze_NX = numbers(7 * step + micro, 3, WIDTH + 2)
        cloze_NX[:, WIDTH] = 0  # the cloze knows nothing of the scan's bias
        ours.hold(lookups, cloze_NX)
        gradient_RX[lookups] += cloze_NX
    return gradient_RX


def len_of(rows: slice | Tensor) -> int:
    return len(range(ROWS)[rows]) if isinstance(rows, slice) else len(rows)


@pytest.mark.parametrize("block", [2, 4, 8192])
def test_rows_and_biases_without_a_gradient_stay_and_keep_their_moments(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "_BLOCK", block)
    ours = buffered("adam")
    table = ours.optimizer.table
    vectors = torch.nn.Parameter(table.vectors_RE.clone())
    biases = [torch.nn.Parameter(table.biases_R2[:, [column]].clone()) for column in (0, 1)]
    rules = [torch.optim.SparseAdam([parameter], lr=LR) for parameter in (vectors, *biases)]
    for step in (1, 2, 3):
        gradient_RX = learn(ours, step)
        parts = (gradient_RX[:, :WIDTH], gradient_RX[:, [WIDTH]], gradient_RX[:, [WIDTH + 1]])
        with torch.no_grad():
            vectors[gradient_RX.any(dim=1)] *= 1 - LR * DECAY
        for parameter, rule, part in zip((vectors, *biases), rules, parts, strict=True):
            (named,) = part.any(dim=1).nonzero(as_tuple=True)
            parameter.grad = torch.sparse_coo_tensor(named[None], part[named], part.shape, check_invariants=True)
            rule.step()
        ours.apply(LR, step)
    torch.testing.assert_close(table.vectors_RE, vectors.detach(), rtol=0, atol=1e-12)  # float64: rounding
    torch.testing.assert_close(table.biases_R2, torch.cat(biases, dim=1).detach(), rtol=0, atol=1e-12)
    assert torch.equal(table.vectors_RE[UNTOUCHED], numbers(0, ROWS, WIDTH)[UNTOUCHED])


@pytest.mark.parametrize("name", ["adam", "rowwise_adagrad", "sgd"])
def test_what_is_discarded_moves_nothing(name: str) -> None:
    ours = buffered(name)
    learn(ours, 1)
    ours.discard()
    ours.apply(LR, 1)
    assert torch.equal(ours.optimizer.table.vectors_RE, numbers(0, ROWS, WIDTH))
    assert torch.equal(ours.optimizer.table.biases_R2, numbers(1, ROWS, 2))


def test_rows_that_are_lent_twice_in_a_step_move_once() -> None:
    ours = RowUpdates(buffered("adam").optimizer, fused=True)
    table = ours.optimizer.table
    parts = [torch.nn.Parameter(table.vectors_RE.clone()), torch.nn.Parameter(table.biases_R2.clone())]
    rules = [torch.optim.SparseAdam([part], lr=LR) for part in parts]
    lookups = [torch.tensor([2, 5, 9]), torch.tensor([9, 0, 2, 7]), torch.tensor([], dtype=torch.long)]
    for step in (1, 2, 3):
        gradient_RX = torch.zeros(ROWS, WIDTH + 2, dtype=torch.float64)
        for place, rows_N in enumerate(lookups):
            gradient_NX = numbers(5 * step + place, len(rows_N), WIDTH + 2)
            ours.hold(rows_N, gradient_NX)
            gradient_RX[rows_N] += gradient_NX
        assert bool(ours.magnitude().isfinite())
        moved_N = torch.cat(lookups).unique()  # decayed by the scan's update alone
        for part, rule, part_RX in zip(parts, rules, gradient_RX.split([WIDTH, 2], dim=1), strict=True):
            part.grad = torch.sparse_coo_tensor(moved_N[None], part_RX[moved_N], part.shape, check_invariants=True)
            rule.step()
        ours.apply(LR, step)
    torch.testing.assert_close(table.vectors_RE, parts[0].detach(), rtol=0, atol=1e-12)  # float64: rounding
    torch.testing.assert_close(table.biases_R2, parts[1].detach(), rtol=0, atol=1e-12)
    assert torch.equal(table.vectors_RE[[1, 3]], numbers(0, ROWS, WIDTH)[[1, 3]])


@pytest.mark.parametrize("name", ["adam", "rowwise_adagrad", "sgd"])
def test_rows_of_many_chunks_at_once_move_as_chunk_by_chunk(name: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BlockSink, "_gathers", lambda *_: True)  # as on a GPU
    monkeypatch.setattr(updates, "_GPU_BLOCK", 9)
    tables = []
    for gathers in (True, False):
        vectors_RE = numbers(3, 20, 5).bfloat16()
        table = LabelTable(vectors_RE, numbers(4, 20, 2).float(), torch.ones(20).bool(), RowRange(40, 60))
        ours = RowUpdates(row_optimizer(name, table, 0.1, 0.0, 0), fused=True)
        for step in (1, 2):
            sink = ours.sink(LR, step)
            for start, stop in ((0, 4), (4, 8), (8, 12), (14, 20)):
                product = ScanGradient(
                    numbers(start, 3, stop - start).float(), numbers(step, 3, 5).float(), torch.ones(3)
                )
                sink(slice(start, stop), product)
                if not gathers:
                    finish(sink)
            finish(sink)
        tables.append(table)
    for part in ("vectors_RE", "biases_R2"):
        assert torch.equal(getattr(tables[0], part), getattr(tables[1], part))
