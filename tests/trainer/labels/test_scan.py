"""The chunked scan against autograd over the whole matrix of logits."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils._python_dispatch import TorchDispatchMode

from trainer.labels import LabelTable, RowRange
from trainer.labels.scan import LabelPairs, ScanResult, ScanTask, scan

NORMALISER = 7.0


@dataclass(frozen=True)
class Problem:
    """Rows first..first + R of a table, queries, and two sets of pairs (query, label), some of them of other ranks."""

    table: LabelTable
    queries_QE: Tensor
    weights_Q: Tensor
    positives: LabelPairs
    excluded: LabelPairs

    @classmethod
    def draw(cls, queries: int, rows: int, width: int, first: int, seed: int) -> "Problem":
        """Draw float64 numbers; some labels are untrained, some weights 0."""
        torch.manual_seed(seed)
        rows_RX = torch.randn(rows, width + 2, dtype=torch.float64)
        table = LabelTable(rows_RX, torch.rand(rows) < 0.7, RowRange(first, first + rows))
        labels = first + rows + 3
        return cls(
            table,
            torch.randn(queries, width, dtype=torch.float64),
            (torch.rand(queries) < 0.7).double(),
            *(LabelPairs.ordered(*(torch.rand(queries, labels) < 0.3).nonzero(as_tuple=True)) for _ in range(2)),
        )

    def own(self, pairs: LabelPairs) -> Tensor:
        """Mark the pairs that lie in this rank's rows: bool [Q, R]."""
        first = self.table.range.start
        own_QR = torch.zeros(len(self.queries_QE), len(self.table.range), dtype=torch.bool)
        for query, label in zip(pairs.queries_N.tolist(), pairs.labels_N.tolist(), strict=True):
            if label in range(first, self.table.range.stop):
                own_QR[query, label - first] = True
        return own_QR

    def scan(self, k: int, chunk: int) -> tuple[ScanResult, Tensor]:
        """Run the code under test; returns its result and the row gradients that reached the sink."""
        gradient_RX = torch.full_like(self.table.rows_RX, torch.nan)

        def sink(start: int, stop: int, gradient: Tensor) -> None:
            gradient_RX[start:stop] = gradient

        task = ScanTask(self.positives, self.weights_Q, NORMALISER, sink)
        return scan(self.table, self.queries_QE, self.excluded, k, chunk, task), gradient_RX


problems = st.builds(
    Problem.draw, st.integers(1, 4), st.integers(1, 9), st.integers(1, 3), st.integers(0, 5), st.integers(0, 10**6)
)


def logits(queries_QE: Tensor, rows_RX: Tensor) -> Tensor:
    return queries_QE @ rows_RX[:, :-2].T + rows_RX[:, -2]


@given(problems, st.integers(1, 4), st.integers(1, 12))
def test_loss_and_gradients_are_those_of_autograd(problem: Problem, k: int, chunk: int) -> None:
    rows_RX, queries_QE = (tensor.clone().requires_grad_() for tensor in (problem.table.rows_RX, problem.queries_QE))
    losses_QR = binary_cross_entropy_with_logits(
        logits(queries_QE, rows_RX), problem.own(problem.positives).double(), reduction="none"
    )
    loss = (losses_QR * problem.weights_Q[:, None] * problem.table.trained_R).sum() / NORMALISER
    loss.backward()
    found, gradient_RX = problem.scan(k, chunk)
    # float64: what is left is rounding.
    torch.testing.assert_close(found.loss, loss.detach(), rtol=0, atol=1e-10)
    torch.testing.assert_close(found.query_gradient_QE, queries_QE.grad, rtol=0, atol=1e-10)
    torch.testing.assert_close(gradient_RX, rows_RX.grad, rtol=0, atol=1e-10)


@given(problems, st.integers(1, 12), st.integers(1, 12))
def test_the_best_labels_are_those_of_a_full_sort(problem: Problem, k: int, chunk: int) -> None:
    found, _ = problem.scan(k, chunk)
    logits_QR = logits(problem.queries_QE, problem.table.rows_RX)
    hidden_QR = problem.own(problem.excluded)
    for query in range(len(problem.queries_QE)):
        open_labels = [row for row in range(len(problem.table.range)) if not hidden_QR[query, row]]
        best = sorted(open_labels, key=lambda row, query=query: -float(logits_QR[query, row]))[:k]
        missing = k - len(best)
        assert found.ids_QK[query].tolist() == [problem.table.range.start + row for row in best] + [-1] * missing
        expected = [float(logits_QR[query, row]) for row in best] + [-torch.inf] * missing
        assert found.scores_QK[query].tolist() == pytest.approx(expected, abs=1e-12)


def test_ranking_alone_finds_the_same_labels_and_learns_nothing() -> None:
    problem = Problem.draw(3, 9, 2, 4, seed=1)
    learned, _ = problem.scan(4, 5)
    ranked = scan(problem.table, problem.queries_QE, problem.excluded, 4, 5)
    assert torch.equal(ranked.ids_QK, learned.ids_QK)
    assert not ranked.query_gradient_QE.any()


def test_the_sink_may_overwrite_the_rows_of_its_chunk() -> None:
    problem = Problem.draw(3, 9, 2, 4, seed=2)
    kept, _ = problem.scan(4, 2)

    def overwrite(start: int, stop: int, _gradient: Tensor) -> None:
        problem.table.rows_RX[start:stop] = torch.nan

    task = ScanTask(problem.positives, problem.weights_Q, NORMALISER, overwrite)
    overwritten = scan(problem.table, problem.queries_QE, problem.excluded, 4, 2, task)
    for name in ("scores_QK", "ids_QK", "loss", "query_gradient_QE"):
        assert torch.equal(getattr(kept, name), getattr(overwritten, name))


class LargestNew(TorchDispatchMode):
    """Remembers the size of the largest tensor that was made, views of `old` tensors aside."""

    def __init__(self, *old: Tensor) -> None:
        super().__init__()
        self.old = {tensor.untyped_storage().data_ptr() for tensor in old}
        self.numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor) and tensor.untyped_storage().data_ptr() not in self.old:
                self.numel = max(self.numel, tensor.numel())
        return result


def test_memory_grows_with_the_chunk_and_not_with_the_rows() -> None:
    largest = []
    for rows in (200, 2000):
        problem = Problem.draw(20, rows, 4, 0, seed=3)
        problem = Problem(
            problem.table, problem.queries_QE, problem.weights_Q, *[LabelPairs(*torch.empty(2, 0).long())] * 2
        )
        task = ScanTask(problem.positives, problem.weights_Q, NORMALISER, lambda *_: None)
        with LargestNew(problem.table.rows_RX, problem.table.trained_R) as watch:
            scan(problem.table, problem.queries_QE, problem.excluded, 8, 50, task)
        largest.append(watch.numel)
    assert largest == [20 * 50] * 2
